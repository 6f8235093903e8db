"""Deblurring natural images: observed, total variation and PnP-HVAE, one table.

    python benchmarks/deblurring.py --images=DIR --val=DIR --kernels=DIR \
        --prior=patch-vdvae-natural --out=DIR

DIR of --images holds the test images, of --val those that settings are chosen on, of
--kernels the blur kernels by number (4.npy, ...). Every method gets the same
observation: periodic blur, then Gaussian noise with a seed of its own for each image,
kernel and noise level. Total variation's weight is chosen on --val for each noise
level, PnP-HVAE's settings are those of solve.py, of --settings, or from a grid on
--val with --tune; what was used is written beside the table, in the same format.
"""

import argparse
import itertools
import json
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from methods import best_of, observe, scores, solve_pnp, solve_tv, timed
from tables import as_csv, markdown, read_images, write
from tqdm import tqdm

from jaxrestore import InputError, load_prior
from jaxrestore.cli.settings import TABLES
from jaxrestore.data.files import make_folder
from jaxrestore.operators import Blur
from jaxrestore.operators.kernels import load_kernel


def default_settings() -> dict[str, dict]:
    """What solve.py uses, by noise level; standard deviations of 255."""
    return {
        f"{255 * level:g}": {
            "temperature": setting.temperature,
            "decoder_std": 255 * setting.decoder_std,
            "encoder_noise": 255 * setting.encoder_noise,
        }
        for level, setting in TABLES["blur"].items()
    }


# Total variation's weight times the noise level (in [0, 1] units), times 100.
TV_GRID = (6, 9, 13, 18, 25, 35, 50)
METHODS = ("observed", "total variation", "PnP-HVAE (mean)", "PnP-HVAE (image)")


def main() -> int:
    """Run the benchmark; bad input is one line on standard error and status 2."""
    try:
        run(parse_flags())
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def run(flags: argparse.Namespace) -> None:
    """Choose settings on the validation images, then score the test images."""
    out = make_folder(flags.out, "--out")
    kernels = {k: load_kernel(Path(flags.kernels) / f"{k}.npy") for k in flags.ids}
    prior = None if flags.prior == "none" else load_prior(flags.prior)
    val = read_images(flags.val, "--val", flags.val_images, flags.val_crop)
    test = read_images(flags.images, "--images", flags.max_images, flags.crop)
    settings = read_settings(flags)
    for noise, chosen in settings.items():
        cases = [
            (blurred(val, kernel, float(noise)), val.values())
            for kernel in kernels.values()
        ]
        if "tv_weight" not in chosen:
            chosen |= tune_tv(cases, float(noise), flags)
        if prior is not None and flags.tune:
            chosen |= tune_pnp(prior, cases, float(noise), flags)
    write(out / "settings.json", json.dumps(settings, indent=2))

    rows = []
    cases = list(itertools.product(settings, kernels))
    for noise, kernel in tqdm(cases, desc="test", disable=None):
        observations = blurred(test, kernels[kernel], float(noise))
        scored = score_case(prior, test, observations, settings[noise], flags)
        rows += [{"noise": noise, "kernel": kernel, **row} for row in scored]
        write(out / "deblurring.csv", as_csv(rows))  # of a stopped run, what is done
    caption = f"{len(test)} images, kernels {', '.join(flags.ids)}, "
    caption += f"prior {flags.prior}, {flags.steps} steps"
    table = markdown(rows, caption, "noise", flags.noise, METHODS)
    print(table)
    write(out / "deblurring.md", table)
    summary = {"settings": settings, "flags": vars(flags), "rows": rows}
    write(out / "deblurring.json", json.dumps(summary, indent=2))


def blurred(images, kernel, noise) -> list:
    """Observations of all images behind one kernel, with noise of its own."""
    blur, seed = Blur(jnp.asarray(kernel)), int(np.round(np.abs(kernel).max() * 1e6))
    return observe(images.values(), [blur] * len(images), noise, seed)


def score_case(prior, images, observations, chosen, flags) -> list[dict]:
    """All methods on all images for one kernel and one noise level."""
    results: dict[str, tuple[list, list, float]] = {
        "observed": ([o.y for o in observations], [], 0.0)
    }
    tv, seconds = timed(solve_tv, observations, chosen["tv_weight"], flags)
    results["total variation"] = ([r.image for r in tv], tv, seconds)
    if prior is not None:
        pnp, seconds = timed(solve_pnp, prior, observations, chosen, flags)
        results["PnP-HVAE (mean)"] = ([r.mean for r in pnp], pnp, seconds)
        results["PnP-HVAE (image)"] = ([r.image for r in pnp], pnp, seconds)
    rows = []
    for method, (restored, runs, seconds) in results.items():
        for i, (name, clean) in enumerate(images.items()):
            row = {"image": name, "method": method, **scores(restored[i], clean)}
            if runs:
                row |= {"steps": int(runs[i].steps), "status": int(runs[i].status)}
            rows.append(row | {"seconds": seconds / len(images)})
    return rows


def tune_tv(cases, noise, flags) -> dict:
    """The weight of total variation with the best mean PSNR."""
    grid = [{"tv_weight": share / 100 / (noise / 255)} for share in TV_GRID]

    def solve(observations, chosen):
        return [r.image for r in solve_tv(observations, chosen["tv_weight"], flags)]

    return best_of(grid, solve, cases, f"total variation, noise {noise}")


def tune_pnp(prior, cases, noise, flags) -> dict:
    """PnP-HVAE's settings with the best mean PSNR of the decoder mean."""
    axes = flags.temperatures, flags.decoder_stds, flags.encoder_noises
    names = "temperature", "decoder_std", "encoder_noise"
    grid = [dict(zip(names, point, strict=True)) for point in itertools.product(*axes)]

    def solve(observations, chosen):
        return [r.mean for r in solve_pnp(prior, observations, chosen, flags)]

    return best_of(grid, solve, cases, f"PnP-HVAE, noise {noise}")


def read_settings(flags) -> dict[str, dict]:
    """The settings for every requested noise level."""
    table = default_settings()
    if flags.settings:
        try:
            table = json.loads(Path(flags.settings).read_text())
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"--settings={flags.settings}: {reason}; expected a JSON file such as "
                "settings.json from an earlier run"
            ) from error
    missing = [noise for noise in flags.noise if noise not in table]
    if missing:
        raise InputError(f"--noise={missing[0]}: no such level in the settings table")
    return {noise: dict(table[noise]) for noise in flags.noise}


def parse_flags() -> argparse.Namespace:
    """Command line; lists are separated by commas."""

    def words(text):
        return text.split(",")

    def numbers(text):
        return [None if w == "none" else float(w) for w in words(text)]

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("images", "val", "kernels", "out"):
        parser.add_argument(f"--{name}", required=True)
    add = parser.add_argument
    add("--prior", default="patch-vdvae-natural", help="name, path, or none")
    add("--ids", type=words, default=words("4,7,9,11"), help="kernel numbers")
    add("--noise", type=words, default=list(default_settings()), help="levels, of 255")
    add("--settings", help="JSON file; default: what solve.py uses")
    add("--steps", type=int, default=50, help="PnP-HVAE iterations")
    add("--tolerance", type=float, default=2e-3, help="as in solve.py")
    add("--tv_steps", type=int, default=100)
    add("--batch", type=int, default=1, help="images solved together")
    add("--max_images", type=int, default=0, help="of --images; 0: all")
    add("--crop", type=int, default=0, help="central square of --images; 0: all")
    add("--val_images", type=int, default=8, help="of --val; 0: all")
    add("--val_crop", type=int, default=192, help="central square of --val")
    add("--tune", action="store_true", help="choose PnP-HVAE's settings on --val")
    add("--temperatures", type=numbers, default=[0.6, 0.8, 0.95])
    add("--decoder_stds", type=numbers, default=[5.0, 10.0, 20.0])
    add("--encoder_noises", type=numbers, default=[None])
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
