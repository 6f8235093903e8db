"""White noise: observed, total variation and critics (ALR), one table.

    python benchmarks/denoising.py --images=DIR --val=DIR --out=DIR \
        --priors=interval.safetensors,single.safetensors

DIR of --images holds the test images, of --val those that each method's weight is
chosen on, for each noise level. Every method gets the same observations. Also counts
on how many of all whole images of --val the mean score of each critic grows with the
noise (0, 0.05, 0.1, 0.15; thesis, figure 3.5). Noise levels are in [0, 1] units.

The thesis reports 28.85 / 24.88 / 21.58 dB at 0.1 / 0.2 / 0.4 on the 68 images of BSD68
(table 3.2) with a critic trained on noise of 0.05 to 0.30.
"""

import argparse
import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore import InputError, load_prior
from jaxrestore.data.files import make_folder
from jaxrestore.experiments.inputs import read_images
from jaxrestore.experiments.methods import observe, solve_alr, solve_tv
from jaxrestore.experiments.report import write
from jaxrestore.experiments.scoring import best_of, score_all
from jaxrestore.experiments.tables import as_csv, scores_table
from jaxrestore.operators import Identity

# Total variation's weight times the noise level, times 100.
TV_GRID = (50, 70, 85, 100, 120, 140)
SCORE_LEVELS = (0.0, 0.05, 0.1, 0.15)


def main() -> int:
    """Run the benchmark; bad input is one line on standard error and status 2."""
    try:
        run(parse_flags())
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def run(flags: argparse.Namespace) -> None:
    """Choose weights on the validation images, then score the test images."""
    out = make_folder(flags.out, "--out")
    critics = {Path(name).stem: load_prior(name) for name in flags.priors}
    val = read_images(flags.val, "--val", flags.val_images, flags.val_crop)
    test = read_images(flags.images, "--images", flags.max_images, flags.crop)
    growth = {name: score_growth(c, flags) for name, c in critics.items()}
    print(json.dumps(growth, indent=2))
    rows, settings = [], {}
    for noise in tqdm(flags.noise, desc="noise", disable=None):
        settings[noise] = tune(critics, noisy(val, noise, 1), val, noise, flags)
        results = solve_all(critics, noisy(test, noise, 0), settings[noise], flags)
        rows += [{"noise": noise, **row} for row in score_all(results, test)]
        write(out / "denoising.csv", as_csv(rows))  # of a stopped run, what is done
    device = jax.devices()[0].device_kind
    caption = f"{len(test)} images, {flags.alr_steps} steps of Adam, {device}"
    methods = list(dict.fromkeys(row["method"] for row in rows))
    table = scores_table(rows, caption, "noise", flags.noise, methods)
    print(table)
    write(out / "denoising.md", table)
    summary = {"settings": settings, "scores": growth, "flags": vars(flags)}
    write(out / "denoising.json", json.dumps(summary | {"rows": rows}, indent=2))


def noisy(images, noise: float, seed: int) -> list:
    """Observations of all images at a noise level in [0, 1] units."""
    operators = [Identity()] * len(images)
    return observe(images.values(), operators, 255 * noise, seed)


def tune(critics, observations, images, noise: float, flags) -> dict[str, float]:
    """Weights with the best mean PSNR, by method."""
    cases = [(observations, images.values())]
    grid = [{"weight": share / 100 / noise} for share in TV_GRID]

    def flat(observed, chosen):
        solved = solve_tv(observed, chosen["weight"], flags)
        return [r.image for r in solved.runs]

    best = best_of(grid, flat, cases, f"total variation, noise {noise}")
    weights = {"total variation": best["weight"]}
    for name, critic in critics.items():

        def adversarial(observed, chosen, critic=critic):
            solved = solve_alr(critic, observed, chosen["weight"], flags)
            return [r.image for r in solved.runs]

        grid = [{"weight": weight} for weight in flags.weights]
        best = best_of(grid, adversarial, cases, f"{name}, noise {noise}")
        weights[name] = best["weight"]
    return weights


def solve_all(critics, observations, weights, flags) -> dict[str, tuple]:
    """Images of every method, seconds for all of them, and the runs."""
    solved = {
        "total variation": solve_tv(observations, weights["total variation"], flags)
    }
    for name, critic in critics.items():
        solved[name] = solve_alr(critic, observations, weights[name], flags)
    results: dict[str, tuple] = {"observed": ([o.y for o in observations], 0.0, ())}
    for name, (runs, seconds) in solved.items():
        results[name] = [r.image for r in runs], seconds, runs
    return results


def score_growth(critic, flags) -> dict:
    """Mean scores of whole validation images by noise level, and how many grow."""
    images = read_images(flags.val, "--val")
    measure, rows = jax.jit(lambda critic, image: critic(image)), []
    for i, clean in enumerate(images.values()):
        draw = np.asarray(jax.random.normal(jax.random.key(i), clean.shape))
        noisy = [jnp.asarray(clean + level * draw) for level in SCORE_LEVELS]
        rows.append([float(measure(critic, image)) for image in noisy])
    growing = int(np.all(np.diff(rows, axis=1) > 0, axis=1).sum())
    means = dict(zip(map(str, SCORE_LEVELS), np.mean(rows, 0).tolist(), strict=True))
    return {"images": len(rows), "growing": growing, "mean_score": means}


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
    add("--priors", required=True, type=lambda text: text.split(","), help="critics")
    add("--noise", type=numbers, default=[0.1, 0.2, 0.4], help="levels in [0, 1] units")
    weights = [0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0]
    add("--weights", type=numbers, default=weights, help="of critics, to choose from")
    add("--alr_steps", type=int, default=50)
    add("--tv_steps", type=int, default=150)
    add("--batch", type=int, default=1, help="images solved together")
    add("--max_images", type=int, default=0, help="of --images; 0: all")
    add("--crop", type=int, default=0, help="central square of --images; 0: all")
    add("--val_images", type=int, default=8, help="of --val; 0: all")
    add("--val_crop", type=int, default=192, help="central square of --val")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
