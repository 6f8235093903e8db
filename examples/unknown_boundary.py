"""Deblur photographs whose border and noise level nobody knows.

    python examples/unknown_boundary.py --images=DIR --kernel=FILE --out=DIR

Each clean image is blurred by a valid convolution (what was outside the frame has
spilled into it) and gets white noise of --noise_std; the solver is told the kernel
alone. Printed: the PSNR gain in a band along the border and in the centre, for the
unknown-boundary model and, to see the difference, for a periodic one. The pictures show
the observation, both restorations and the clean image.
"""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from jaxrestore import Observation, load_prior, operators, pnp_hvae
from jaxrestore.cli.levels import parse_level
from jaxrestore.cli.settings import interpolate
from jaxrestore.data.images import list_images, read_image
from jaxrestore.errors import InputError
from jaxrestore.metrics import estimate_noise_std
from jaxrestore.report.figures import Panel, comparison

_IMAGES = flags.DEFINE_string("images", None, "Folder of clean images.", required=True)
_KERNEL = flags.DEFINE_string("kernel", None, "Kernel file.", required=True)
_OUT = flags.DEFINE_string("out", "unknown_boundary", "Folder to write.")
_PRIOR = flags.DEFINE_string("prior", "patch-vdvae-natural", "Name or file.")
_NOISE = flags.DEFINE_string("noise_std", "3/255", "Noise level of the simulation.")
_BAND = flags.DEFINE_integer("band", 16, "Width of the border band in pixels.")


def psnr(image, clean, where) -> float:
    """PSNR over the pixels (H, W) that `where` names."""
    error = (np.clip(image, 0, 1) - clean)[where]
    return float(-10 * np.log10(np.mean(error**2)))


def observe(clean: np.ndarray, kernel: np.ndarray, noise_std: float, seed: int):
    """A valid convolution with noise, and the clean pixels of the same frame."""
    rows, columns = (side // 2 for side in kernel.shape)
    frame = slice(rows, -rows or None), slice(columns, -columns or None)
    blurred = np.asarray(operators.Blur(jnp.asarray(kernel))(jnp.asarray(clean)))[frame]
    noise = np.random.default_rng(seed).standard_normal(blurred.shape)
    return (blurred + noise_std * noise).astype(np.float32), clean[frame]


def restore(prior, y: np.ndarray, operator, noise_std: float) -> np.ndarray:
    """The decoder mean in the photograph's frame."""
    observation = Observation.create(y, operator, noise_std)
    knobs = interpolate("blur", noise_std)._asdict()
    result = pnp_hvae(prior, observation, history=False, **knobs)
    return np.asarray(operators.visible_part(operator, result.mean))


def gains(images: dict[str, np.ndarray], y, clean, band: int) -> dict[str, float]:
    """PSNR gain over the observation in the border band and in the centre."""
    border = np.ones(clean.shape[:2], bool)
    border[band:-band, band:-band] = False
    return {
        f"{name}_{part}": psnr(image, clean, where) - psnr(y, clean, where)
        for name, image in images.items()
        for part, where in (("border", border), ("centre", ~border))
    }


def main(_: list[str]) -> None:
    out, kernel = Path(_OUT.value), operators.kernels.load_kernel(_KERNEL.value)
    out.mkdir(parents=True, exist_ok=True)
    level = float(parse_level(_NOISE.value, "--noise_std"))
    prior, rows = load_prior(_PRIOR.value), []
    for seed, path in enumerate(list_images(_IMAGES.value)):
        y, clean = observe(read_image(path).pixels, kernel, level, seed)
        estimate = estimate_noise_std(y) or level
        blur = operators.Blur(jnp.asarray(kernel))
        models = {
            "unknown": operators.unknown_boundary(blur, y.shape),
            "periodic": blur,
        }
        images = {n: restore(prior, y, op, estimate) for n, op in models.items()}
        row = gains(images, y, clean, _BAND.value)
        rows.append(row)
        print(
            f"{path.name}: noise {255 * estimate:.2f}/255 estimated; gain border/centre"
            f" {row['unknown_border']:.2f}/{row['unknown_centre']:.2f} dB, periodic"
            f" {row['periodic_border']:.2f}/{row['periodic_centre']:.2f} dB",
            flush=True,
        )
        panels = [Panel("observed", y), Panel("periodic model", images["periodic"])]
        panels += [Panel("unknown boundary", images["unknown"]), Panel("clean", clean)]
        comparison(out / f"{path.stem}.png", panels)
    means = {name: float(np.mean([r[name] for r in rows])) for name in rows[0]}
    print("mean", json.dumps({k: round(v, 2) for k, v in means.items()}))
    device = jax.devices()[0].device_kind
    report = {"device": device, "mean": means, "images": rows}
    (out / "gains.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    try:
        app.run(main)
    except InputError as error:
        sys.exit(str(error))
