"""Natural images with holes: total variation and PnP-HVAE, one table (table 5.3).

  python -m jaxrestore.experiments inpainting --images=DIR --val=DIR --out=DIR

Two kinds of masks, other ones for each image: "holes", discs of up to an eighth of the
image's side until a share of --holes is covered (the thesis occludes small objects by
hand, which nobody else can repeat), and "missing", a share of --missing single pixels.
White noise is added to what is seen. Settings as in deblurring; "start" is the smooth
fill that the solvers start from. --tune looks at the last data step, which keeps what
was seen.
"""

import numpy as np

from jaxrestore.experiments import comparison
from jaxrestore.experiments.settings import Level, configured, level, some
from jaxrestore.settings import number, setting

QUICK = comparison.QUICK | {"crop": 24, "val_crop": 24, "masks": ("missing",)}
_share = number(1e-6, 1 - 1e-6)


def holes(shape: tuple[int, ...], share: float, rng: np.random.Generator):
    """Mask (H, W, 1), 0 inside discs that cover at least a share of the pixels."""
    seen = np.ones(shape, np.float32)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    largest = max(min(shape) / 16, 2.0)
    while 1 - seen.mean() < share:
        radius = rng.uniform(largest / 3, largest)
        row, column = rng.uniform(0, shape)
        seen[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = 0
    return seen[..., None]


MASKS = {"holes": holes, "missing": comparison.missing}


@configured(steps=200)
class Config(comparison.Config):
    masks: tuple = setting(tuple(MASKS), some(*MASKS), "which")
    noise: float = setting(Level(3 / 255), level(), "of 255")
    holes: float = setting(0.1, _share, "share that holes cover")
    missing: float = setting(0.6, _share, "share of missing pixels")


def run(config: Config, report) -> None:
    """Choose settings, solve, score."""
    problems = []
    for name in config.masks:
        share = getattr(config, name)
        case, make = f"{100 * share:g} %", comparison.masks(MASKS[name], share)
        task = "hole" if name == "holes" else "mask"
        one = comparison.random_problem(name, task, config.noise, case, make)
        problems.append(one)
    comparison.natural(config, report, problems)
