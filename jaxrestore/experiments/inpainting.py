"""Natural images with holes: total variation and PnP-HVAE, one table (table 5.3).

  python -m jaxrestore.experiments inpainting --images=DIR --val=DIR --out=DIR

Two kinds of masks, other ones for each image: "holes", discs of up to an eighth of the
image's side until a share of --holes is covered (the thesis occludes small objects by
hand, which nobody else can repeat), and "missing", a share of --missing single pixels.
White noise is added to what is seen. Settings as in deblurring; "start" is the smooth
fill that the solvers start from. --tune looks at the last data step, which keeps what
was seen.
"""

from functools import partial

import jax.numpy as jnp
import numpy as np

from jaxrestore import InputError
from jaxrestore.experiments import comparison
from jaxrestore.experiments import flags as kinds
from jaxrestore.experiments.methods import observe
from jaxrestore.operators import Mask

QUICK = comparison.QUICK | {"crop": 24, "val_crop": 24, "masks": ["missing"]}
MASKS = ("holes", "missing")


def add_flags(parser) -> None:
    """Flags of this experiment."""
    add = parser.add_argument
    add("--masks", type=kinds.words, default=list(MASKS), help="which")
    add("--noise", type=kinds.number, default=3.0, help="of 255")
    add("--holes", type=kinds.number, default=0.1, help="share that holes cover")
    add("--missing", type=kinds.number, default=0.6, help="share of missing pixels")
    comparison.add_flags(parser, tune=False, tv_weights=(1, 3, 6, 12, 25, 50))
    parser.set_defaults(steps=200)


def run(flags, report) -> None:
    """Choose settings, solve, score."""
    for name in ("holes", "missing"):
        if not 0 < getattr(flags, name) < 1:
            raise InputError(f"--{name}={getattr(flags, name):g}: expected in (0, 1)")
    if not 0 < flags.noise <= 255:
        raise InputError(f"--noise={flags.noise:g}: expected a level above 0, of 255")
    if not flags.masks or not set(flags.masks) <= set(MASKS):
        raise InputError(
            f"--masks={','.join(flags.masks)}: expected {' or '.join(MASKS)}"
        )
    shares = {"holes": flags.holes, "missing": flags.missing}
    problems = [
        comparison.Problem(
            name, "mask", flags.noise, partial(masked, name, shares[name], flags.noise)
        )
        for name in flags.masks
    ]
    comparison.compare(report, flags, comparison.read(flags), problems)


def masked(name: str, share: float, noise: float, images, seed: int):
    """Observations of all images, {case: list}."""
    rng = np.random.default_rng(seed)
    draw = {"holes": holes, "missing": missing}[name]
    masks = [draw(image.shape[:2], share, rng) for image in images.values()]
    operators = [Mask(jnp.asarray(mask)) for mask in masks]
    return {f"{100 * share:g} %": observe(images.values(), operators, noise, seed)}


def missing(shape: tuple[int, int], share: float, rng: np.random.Generator):
    """Mask (H, W, 1), 0 at a share of the pixels."""
    return (rng.random((*shape, 1)) >= share).astype(np.float32)


def holes(shape: tuple[int, int], share: float, rng: np.random.Generator):
    """Mask (H, W, 1), 0 inside discs that cover at least a share of the pixels."""
    seen = np.ones(shape, np.float32)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    largest = max(min(shape) / 16, 2.0)
    while 1 - seen.mean() < share:
        radius = rng.uniform(largest / 3, largest)
        row, column = rng.uniform(0, shape)
        seen[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = 0
    return seen[..., None]
