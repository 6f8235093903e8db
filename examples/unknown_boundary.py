"""Deblur photographs whose border and noise level nobody knows.

    python examples/unknown_boundary.py --images=DIR --kernel=FILE --out=DIR

Each clean image is blurred by a valid convolution (what was outside the frame has
spilled into it) and gets white noise of --noise_std; the solver is told the kernel
alone. Printed: the PSNR gain in a band along the border and in the centre, for

    unknown    PnP-HVAE with the unknown-boundary model
    tv         total variation with the same model
    periodic   PnP-HVAE that takes the photograph for periodic
    whole      PnP-HVAE that was shown the blurred scene around the frame too: what the
               border would gain if nothing were hidden

--kernel may be given several times. The pictures show the observation, three
restorations and the clean image.
"""

import dataclasses
import json
import sys
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from jaxrestore import Observation, PnPHVAE, load_prior, operators, restore
from jaxrestore.data.images import list_images, read_image
from jaxrestore.errors import InputError
from jaxrestore.estimation import estimate_noise
from jaxrestore.likelihoods import GaussianNoise
from jaxrestore.report.sheets import Panel, comparison
from jaxrestore.settings import level
from jaxrestore.solvers import TV
from jaxrestore.solvers.presets import preset

_IMAGES = flags.DEFINE_string("images", None, "Folder of clean images.", required=True)
_KERNEL = flags.DEFINE_multi_string("kernel", None, "Kernel file.", required=True)
_OUT = flags.DEFINE_string("out", "unknown_boundary", "Folder to write.")
_PRIOR = flags.DEFINE_string("prior", "patch-vdvae-natural", "Name or file.")
_NOISE = flags.DEFINE_string("noise_std", "3/255", "Noise level of the simulation.")
_COUNT = flags.DEFINE_integer("max_images", 0, "Of --images; 0: all.")
_BAND = flags.DEFINE_integer("band", 16, "Width of the border band in pixels.")


def psnr(image, clean, where) -> float:
    """PSNR over the pixels (H, W) that `where` names."""
    error = (np.clip(image, 0, 1) - clean)[where]
    return float(-10 * np.log10(np.mean(error**2)))


class Scene(NamedTuple):
    """A periodic scene, blurred with noise; the photograph is its inner `frame`."""

    clean: np.ndarray
    blurred: np.ndarray
    blur: operators.Blur
    frame: tuple[slice, slice]


def take(key: jax.Array, clean, kernel: np.ndarray, noise_std: float) -> Scene:
    """Blur and noise of a scene; in the frame the convolution is valid."""
    rows, columns = (side // 2 for side in kernel.shape)
    frame = slice(rows, -rows or None), slice(columns, -columns or None)
    blur = operators.Blur(jnp.asarray(kernel))
    noise = GaussianNoise(noise_std)
    seen = Observation.simulate(key, jnp.asarray(clean), blur, noise)
    return Scene(clean, np.asarray(seen.y), blur, frame)


def solve(prior, scene: Scene, noise_std: float) -> dict[str, np.ndarray]:
    """Every method's image in the photograph's frame."""
    y = scene.blurred[scene.frame]
    tuned = preset("pnp_hvae", _PRIOR.value, "blur", noise_std)
    method = PnPHVAE(prior, **tuned.settings)
    ends = tuned.tolerance or method.stopping.tolerance
    stopping = dataclasses.replace(method.stopping, tolerance=ends)
    canvas = scene.blur.unknown_boundary(y.shape)

    def hvae(y, operator):
        observation = Observation.create(y, operator, noise_std)
        return restore(method, observation, stopping=stopping).mean

    observation = Observation.create(y, canvas, noise_std)
    flat = restore(TV(weight=0.2 / noise_std), observation).mean
    images = {
        "unknown": canvas.visible(hvae(y, canvas)),
        "tv": canvas.visible(flat),
        "periodic": hvae(y, scene.blur),
        "whole": hvae(scene.blurred, scene.blur)[scene.frame],
    }
    return {name: np.asarray(image) for name, image in images.items()}


def gains(images: dict[str, np.ndarray], y, clean, band: int) -> dict[str, float]:
    """PSNR gain over the observation, in dB, in the border band and in the centre."""
    border = np.ones(clean.shape[:2], bool)
    border[band:-band, band:-band] = False
    return {
        f"{name}_{part}": psnr(image, clean, where) - psnr(y, clean, where)
        for name, image in images.items()
        for part, where in (("border", border), ("centre", ~border))
    }


def compare(key: jax.Array, prior, path: Path, kernel: Path) -> dict[str, float]:
    """Gains of one image behind one kernel; writes its picture."""
    std = level()(_NOISE.value, "--noise_std")
    loaded = operators.kernels.load_kernel(kernel)
    scene = take(key, read_image(path).pixels, loaded, std)
    y, clean = scene.blurred[scene.frame], scene.clean[scene.frame]
    found = estimate_noise(y)
    estimate = found.std if found else std
    images = solve(prior, scene, estimate)
    panels = [Panel("observed", y), Panel("periodic model", images["periodic"])]
    panels += [Panel("total variation", images["tv"])]
    panels += [Panel("unknown boundary", images["unknown"]), Panel("clean", clean)]
    comparison(Path(_OUT.value) / f"{kernel.stem}_{path.stem}.png", panels)
    row = gains(images, y, clean, _BAND.value)
    text = ", ".join(
        f"{n} {row[n + '_border']:.2f}/{row[n + '_centre']:.2f}" for n in images
    )
    print(f"{kernel.stem} {path.name}: noise {255 * estimate:.2f}/255; {text}")
    return row | {"noise_estimate": estimate}


def main(_: list[str]) -> None:
    out = Path(_OUT.value)
    out.mkdir(parents=True, exist_ok=True)
    prior, device = load_prior(_PRIOR.value), jax.devices()[0].device_kind
    report = {"band": _BAND.value, "device": device, "kernels": {}}
    paths = list_images(_IMAGES.value)[: _COUNT.value or None]
    for kernel in map(Path, _KERNEL.value):
        rows = {
            path.name: compare(jax.random.key(seed), prior, path, kernel)
            for seed, path in enumerate(paths)
        }
        mean = {
            name: float(np.mean([row[name] for row in rows.values()]))
            for name in next(iter(rows.values()))
        }
        print(kernel.stem, "mean", {k: round(v, 2) for k, v in mean.items()})
        report["kernels"][kernel.stem] = {"mean": mean, "images": rows}
        (out / "gains.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    try:
        app.run(main)
    except InputError as error:
        sys.exit(str(error))
