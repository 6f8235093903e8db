"""How far a prior looks: what a cut through an image changes, by the distance from it.

    python benchmarks/tiles.py --images=DIR [--prior=NAME] [--max_images=3]

Reconstructs the upper rows of each image, with noise that the encoder is told, whole
and without the columns before a cut. For each temperature and noise level (of 255)
prints the largest and the root mean square difference of what is left, from each
distance on: by so much tiles with that overlap differ from the whole image.
"""

import json

import jax
import numpy as np
from absl import app, flags

from jaxrestore import priors
from jaxrestore.cli.entry import run_command
from jaxrestore.data.images import list_images, read_image

_IMAGES = flags.DEFINE_string("images", "", "Folder of clean images.")
_PRIOR = flags.DEFINE_string("prior", "patch-vdvae-natural", "Bundled, or a file.")
_COUNT = flags.DEFINE_integer("max_images", 3, "How many.")
_CASES = ((1.0, 25), (0.95, 7), (0.95, 73))  # temperature, noise
_SIZE, _STEPS = (208, 480), range(32, 225, 32)


def run(argv) -> int:
    """Measure and print."""
    prior, rng = priors.load_prior(_PRIOR.value), np.random.default_rng(0)
    cut = _SIZE[1] // 3 // prior.config.stride * prior.config.stride
    reconstruct = jax.jit(lambda p, x, tau, noise: p.reconstruct(x, tau, noise).mean)
    images = [_piece(file) for file in list_images(_IMAGES.value)[: _COUNT.value]]
    for tau, noise in _CASES:
        changes = []
        for image in images:
            level = np.float32(noise / 255)
            seen = image + level * rng.standard_normal(image.shape).astype(np.float32)
            whole = reconstruct(prior, seen, tau, level)
            part = reconstruct(prior, seen[:, cut:], tau, level)
            changes.append(np.abs(np.asarray(whole)[:, cut:] - part))
        found = {}
        for n in _STEPS:
            rest = np.concatenate([change[:, n:].ravel() for change in changes])
            rms = np.sqrt(np.mean(rest**2))
            found[n] = {"largest": f"{rest.max():.1e}", "rms": f"{rms:.1e}"}
        print(json.dumps({"temperature": tau, "noise": noise, "from": found}))
    return 0


def _piece(file) -> np.ndarray:
    pixels = read_image(file).pixels
    pixels = np.concatenate([pixels, pixels], 1)  # upright ones are too narrow
    return pixels[: _SIZE[0], : _SIZE[1]]


if __name__ == "__main__":
    app.run(lambda argv: run_command(run, argv))
