"""Restoring 64x64 grey faces: the start, total variation and PnP-HVAE, one table.

    python benchmarks/faces.py --images=DIR --val=DIR --out=DIR

DIR of --images holds the test faces, of --val those that settings are chosen on (not
the same pictures). Three tasks, noise 3/255 each:

    square     a square of a ninth of the area is missing, in the middle
    missing    60 % of the pixels are missing, other ones for each face
    x4         Gaussian blur of 2 pixels, every fourth pixel kept

Every method gets the same observations. Total variation's weight, and temperature and
decoder_std of PnP-HVAE, are chosen on --val for each task; what was used is written
beside the table. "start" is the image that the solvers start from: a smooth fill, or
bicubic enlargement.
"""

import argparse
import itertools
import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from methods import best_of, observe, scores, solve_pnp, solve_tv, timed
from tables import as_csv, markdown, read_images, write
from tqdm import tqdm

from jaxrestore import InputError, load_prior
from jaxrestore.data.files import make_folder
from jaxrestore.operators import Downsample, Mask
from jaxrestore.operators.kernels import gaussian
from jaxrestore.report.sheets import sheet

NOISE = 3.0
TASKS = ("square", "missing", "x4")
METHODS = ("start", "total variation", "PnP-HVAE (mean)", "PnP-HVAE (image)")
# Total variation's weight times the noise level (in [0, 1] units), times 100.
TV_GRID = (1, 3, 6, 12, 25, 50)


def main() -> int:
    """Run the benchmark; bad input is one line on standard error and status 2."""
    try:
        run(parse_flags())
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def run(flags: argparse.Namespace) -> None:
    """For each task: choose settings on the validation faces, score the test faces."""
    out, prior = make_folder(flags.out, "--out"), load_prior(flags.prior)
    val = read_images(flags.val, "--val", flags.val_images, channels=1)
    test = read_images(flags.images, "--images", flags.max_images, channels=1)
    rows, settings = [], {}
    for task in tqdm(TASKS, desc="tasks", disable=None):
        settings[task] = tune(prior, degrade(task, val, 1), val, task, flags)
        observations = degrade(task, test, 0)
        results = solve_all(prior, observations, settings[task], flags)
        rows += [{"task": task, **row} for row in score(results, test)]
        picture(out / f"faces_{task}.png", observations, results, test)
        write(out / "faces.csv", as_csv(rows))  # of a stopped run, what is done
    device = jax.devices()[0].device_kind
    caption = f"{len(test)} faces, prior {flags.prior}, noise {NOISE:g}/255, {device}"
    table = markdown(rows, caption, "task", TASKS, METHODS)
    print(table)
    write(out / "faces.md", table)
    summary = {"settings": settings, "flags": vars(flags), "rows": rows}
    write(out / "faces.json", json.dumps(summary, indent=2))


def degrade(task: str, images: dict[str, np.ndarray], seed: int) -> list:
    """The task's observations of all images."""
    rng = np.random.default_rng(seed)
    operators = [operator(task, image.shape, rng) for image in images.values()]
    return observe(images.values(), operators, NOISE, seed)


def operator(task: str, shape: tuple[int, ...], rng: np.random.Generator):
    """Mask of a square or of random pixels, or blur and decimation."""
    if task == "x4":
        return Downsample(jnp.asarray(gaussian(15, 2.0)), 4)
    if task == "missing":
        return Mask(jnp.asarray(rng.random((*shape[:2], 1)) >= 0.6, jnp.float32))
    (top, tall), (left, wide) = (((n - n // 3) // 2, n // 3) for n in shape[:2])
    seen = np.ones((*shape[:2], 1), np.float32)
    seen[top : top + tall, left : left + wide] = 0
    return Mask(jnp.asarray(seen))


def tune(prior, observations, images, task: str, flags) -> dict:
    """Weight, temperature and decoder_std with the best mean PSNR on these images."""
    cases = [(observations, images.values())]
    weights = [{"tv_weight": share / 100 / (NOISE / 255)} for share in TV_GRID]
    points = itertools.product(flags.temperatures, flags.decoder_stds)
    grid = [{"temperature": tau, "decoder_std": gamma} for tau, gamma in points]

    def flat(observed, chosen):
        return [r.image for r in solve_tv(observed, chosen["tv_weight"], flags)]

    def hvae(observed, chosen):
        return [r.image for r in solve_pnp(prior, observed, chosen, flags)]

    chosen = best_of(weights, flat, cases, f"total variation, {task}")
    return chosen | best_of(grid, hvae, cases, f"PnP-HVAE, {task}")


def solve_all(prior, observations, chosen, flags) -> dict[str, tuple[list, float]]:
    """Images of every method, and seconds for all of them."""
    tv, tv_seconds = timed(solve_tv, observations, chosen["tv_weight"], flags)
    pnp, pnp_seconds = timed(solve_pnp, prior, observations, chosen, flags)
    return {
        "start": ([o.initial_image() for o in observations], 0.0),
        "total variation": ([r.image for r in tv], tv_seconds),
        "PnP-HVAE (mean)": ([r.mean for r in pnp], pnp_seconds),
        "PnP-HVAE (image)": ([r.image for r in pnp], pnp_seconds),
    }


def score(results, images: dict[str, np.ndarray]) -> list[dict]:
    """One row for every method and image."""
    return [
        {
            "image": name,
            "method": method,
            **scores(image, images[name]),
            "seconds": seconds / len(images),
        }
        for method, (restored, seconds) in results.items()
        for name, image in zip(images, restored, strict=True)
    ]


def picture(path: Path, observations, results, images, count: int = 8) -> None:
    """The first faces: observed, restored by every method, clean."""
    shape = next(iter(images.values())).shape
    seen = [_enlarged(o.operator.clean(o.y), shape) for o in observations[:count]]
    rows = [seen, *(list(map(np.asarray, r[:count])) for r, _ in results.values())]
    rows.append(list(images.values())[:count])
    sheet(path, rows, ["observed", *results, "clean"], inches=0.9)


def _enlarged(y, shape: tuple[int, ...]) -> np.ndarray:
    """Small observations become blocks of pixels."""
    factor = shape[0] // y.shape[0]
    return np.repeat(np.repeat(np.asarray(y), factor, 0), factor, 1)


def parse_flags() -> argparse.Namespace:
    """Command line; lists are separated by commas."""

    def numbers(text):
        return [float(word) for word in text.split(",")]

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    for name in ("images", "val", "out"):
        add(f"--{name}", required=True)
    add("--prior", default="vdvae-faces64", help="name or path")
    add("--max_images", type=int, default=100, help="of --images; 0: all")
    add("--val_images", type=int, default=12, help="of --val; 0: all")
    add("--steps", type=int, default=100, help="PnP-HVAE iterations at most")
    add("--tolerance", type=float, default=1e-3)
    add("--tv_steps", type=int, default=150)
    add("--batch", type=int, default=20, help="images solved together")
    add("--temperatures", type=numbers, default=[0.4, 0.6, 0.8, 0.9])
    add("--decoder_stds", type=numbers, default=[5.0, 10.0, 20.0])
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
