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
import csv
import io
import itertools
import json
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from methods import observe_all, scores, solve_pnp, solve_tv, timed
from tqdm import tqdm

from jaxrestore import InputError, load_prior
from jaxrestore.cli.settings import TABLES
from jaxrestore.data.files import atomic_path, make_folder
from jaxrestore.data.images import list_images, read_image
from jaxrestore.metrics import psnr
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
        if "tv_weight" not in chosen:
            chosen |= tune_tv(val, kernels, float(noise), flags)
        if prior is not None and flags.tune:
            chosen |= tune_pnp(prior, val, kernels, float(noise), flags)
    write(out / "settings.json", json.dumps(settings, indent=2))

    rows = []
    cases = list(itertools.product(settings, kernels))
    for noise, kernel in tqdm(cases, desc="test", disable=None):
        y = observe_all(test, kernels[kernel], float(noise))
        scored = score_case(prior, test, y, kernels[kernel], noise, settings, flags)
        rows += [{"noise": noise, "kernel": kernel, **row} for row in scored]
        write(out / "deblurring.csv", as_csv(rows))  # of a stopped run, what is done
    table = markdown(rows, flags, len(settings))
    print(table)
    write(out / "deblurring.md", table)
    summary = {"settings": settings, "flags": vars(flags), "rows": rows}
    write(out / "deblurring.json", json.dumps(summary, indent=2))


def score_case(prior, images, ys, kernel, noise, settings, flags) -> list[dict]:
    """All methods on all images for one kernel and one noise level."""
    chosen, level = settings[noise], float(noise)
    results: dict[str, tuple[list, list, float]] = {"observed": (ys, [], 0.0)}
    tv, seconds = timed(solve_tv, ys, kernel, level, chosen["tv_weight"], flags)
    results["total variation"] = ([r.image for r in tv], tv, seconds)
    if prior is not None:
        pnp, seconds = timed(solve_pnp, prior, ys, kernel, level, chosen, flags)
        results["PnP-HVAE (mean)"] = ([r.mean for r in pnp], pnp, seconds)
        results["PnP-HVAE (image)"] = ([r.image for r in pnp], pnp, seconds)
    rows = []
    for method, (restored, runs, seconds) in results.items():
        for i, (name, clean) in enumerate(images.items()):
            values = scores(jnp.asarray(restored[i]), jnp.asarray(clean))
            row = {"image": name, "method": method, **values}
            if runs:
                row |= {"steps": int(runs[i].steps), "status": int(runs[i].status)}
            rows.append(row | {"seconds": seconds / len(images)})
    return rows


def tune_tv(images, kernels, noise, flags) -> dict:
    """The weight of total variation with the best mean PSNR."""
    grid = [{"tv_weight": share / 100 / (noise / 255)} for share in TV_GRID]

    def solve(ys, kernel, chosen):
        runs = solve_tv(ys, kernel, noise, chosen["tv_weight"], flags)
        return [run.image for run in runs]

    return best_of(grid, solve, images, kernels, noise, "total variation")


def tune_pnp(prior, images, kernels, noise, flags) -> dict:
    """PnP-HVAE's settings with the best mean PSNR of the decoder mean."""
    axes = flags.temperatures, flags.decoder_stds, flags.encoder_noises
    names = "temperature", "decoder_std", "encoder_noise"
    grid = [dict(zip(names, point, strict=True)) for point in itertools.product(*axes)]

    def solve(ys, kernel, chosen):
        return [r.mean for r in solve_pnp(prior, ys, kernel, noise, chosen, flags)]

    return best_of(grid, solve, images, kernels, noise, "PnP-HVAE")


def best_of(grid, solve, images, kernels, noise, label) -> dict:
    """The point of the grid with the best mean PSNR over images and kernels."""
    observed = {k: observe_all(images, kernel, noise) for k, kernel in kernels.items()}
    means = []
    for chosen in tqdm(grid, desc=f"tune {label}, noise {noise}", disable=None):
        values = [
            float(psnr(jnp.asarray(x), jnp.asarray(clean)))
            for k, kernel in kernels.items()
            for x, clean in zip(
                solve(observed[k], kernel, chosen), images.values(), strict=True
            )
        ]
        means.append(float(np.mean(np.nan_to_num(values, nan=-np.inf))))
        print(f"val, noise {noise}, {chosen}: {means[-1]:.3f} dB", file=sys.stderr)
    return grid[int(np.argmax(means))]


def read_images(folder, argument, limit, crop) -> dict[str, np.ndarray]:
    """Colour images by name; `crop`: the central square of that size, 0: all."""
    if not Path(folder).is_dir():
        raise InputError(f"{argument}={folder}: no such folder; expected images in it")
    images = {}
    for path in list_images(folder, argument)[: limit or None]:
        pixels = read_image(path, argument).pixels
        pixels = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
        if crop:
            top, left = ((size - crop) // 2 for size in pixels.shape[:2])
            if min(top, left) < 0:
                raise InputError(f"{argument}={path}: smaller than the crop of {crop}")
            pixels = pixels[top : top + crop, left : left + crop]
        images[path.stem] = np.ascontiguousarray(pixels)
    return images


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


def markdown(rows, flags, levels) -> str:
    """Mean PSNR / SSIM for every method (rows) and noise level (columns)."""
    images = len({row["image"] for row in rows})
    lines = [
        f"{images} images, kernels {', '.join(flags.ids)}, prior {flags.prior}, "
        f"{flags.steps} steps; mean PSNR (dB) / SSIM / seconds an image",
        "",
        "| method | " + " | ".join(f"noise {n}" for n in flags.noise) + " |",
        "|---" * (levels + 1) + "|",
    ]
    for method in METHODS:
        cells = []
        for noise in flags.noise:
            own = [r for r in rows if (r["method"], r["noise"]) == (method, noise)]
            if own:
                means = [np.mean([r[k] for r in own]) for k in ("psnr", "ssim")]
                seconds = np.mean([r["seconds"] for r in own])
                cells.append(f"{means[0]:.2f} / {means[1]:.3f} / {seconds:.1f}")
        if cells:
            lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def as_csv(rows) -> str:
    """All rows, one per image, kernel, noise level and method."""
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write(path: Path, text: str) -> None:
    """Write a file that is complete or not there."""
    with atomic_path(path) as temporary:
        temporary.write_text(text)


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
