"""Files as people have them: do they come back better than they went in?

    python benchmarks/real_photos.py --images=DIR --kernel=9.npy [--part=PART]

Clean photographs are cut, blurred (no border wraps around), made noisy, and saved as
PNG or JPEG; then each file goes the way of the command line, the kernel told, the noise
not. Parts: blur (formats x kernels x noise), cells (the same beside the same solver
with the likelihood of a JPEG file's rounded coefficients), enlarge (made smaller by
four filters), wrong (kernels that are not what made the photograph), right (those that
are, of --kernels=4.npy,7.npy,...: none may be flagged). Prints tables of the gain in dB
against the file itself (enlarge: against Pillow's bicubic enlargement).
"""

import argparse
import io
import json
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import zoom
from scipy.signal import fftconvolve
from tqdm import tqdm

from jaxrestore.cli.chosen import Chosen
from jaxrestore.cli.entry import keep_compiled_programs
from jaxrestore.cli.items import Item
from jaxrestore.cli.side_by_side import SideBySide
from jaxrestore.cli.solve import command_line
from jaxrestore.cli.task import Problem, Task
from jaxrestore.cli.trust import MISMATCH
from jaxrestore.data.images import list_images, read_image
from jaxrestore.errors import InputError
from jaxrestore.likelihoods import jpeg_observation
from jaxrestore.operators import kernels
from jaxrestore.solvers import restore

WORSE = -0.1  # dB


class Command:
    """One command line, run on many files without starting anew."""

    def __init__(self, *arguments: str):
        line = command_line("solve").parse(["solve", *arguments, "--input=x"])
        assert line is not None
        self.chosen = Chosen(line.config)
        self.task = Task(line.config, False, self.chosen.prior)
        self.restore = SideBySide(self.chosen, line.config, "--images")

    def problem(self, path: Path) -> Problem:
        return self.task.problem(path.stem, Item(path.stem, path).load())

    def by_cells(self, path: Path) -> np.ndarray:
        """Restored (H, W, C) with the likelihood of a JPEG file's cells."""
        problem = self.problem(path)
        assert problem.jpeg is not None
        before = problem.levels.before
        observation = jpeg_observation(problem.jpeg, problem.operator, before)
        method, _ = self.chosen.method(problem)
        result = restore(method, observation, max_steps=len(method.schedule))
        return np.clip(problem.crop(result.mean), 0, 1)

    def __call__(self, path: Path):
        """Restored image (H, W, C), status, level that was told, notes."""
        problem = self.problem(path)
        (told,) = self.restore([problem])
        if isinstance(told, InputError):
            raise told
        problem, outcome, notes = told
        image = np.clip(problem.crop(outcome.image), 0, 1)
        return image, outcome.record["status"], 255 * problem.noise_std, notes


def psnr(a, b) -> float:
    return float(-10 * np.log10(np.mean((np.clip(a, 0, 1) - b) ** 2)))


def crops(folder: str, count: int, side: int):
    """Name and middle of evenly chosen images."""
    files = list_images(folder)
    for index in np.linspace(0, len(files) - 1, min(count, len(files))).astype(int):
        pixels = read_image(files[index]).pixels
        top, left = ((n - side) // 2 for n in pixels.shape[:2])
        yield files[index].stem, pixels, (top, left)


def blurred(pixels, kernel, corner, side, noise, seed):
    """The 8-bit file's pixels: valid convolution, noise, rounding."""
    height, width = (np.array(kernel.shape) - 1) // 2
    rows, columns = kernel.shape
    top, left = corner[0] - (rows - 1 - height), corner[1] - (columns - 1 - width)
    piece = pixels[top : top + side + rows - 1, left : left + side + columns - 1]
    y = np.stack([fftconvolve(piece[..., c], kernel, "valid") for c in range(3)], -1)
    rng = np.random.default_rng(seed)
    y = y + noise / 255 * rng.standard_normal(y.shape)
    return np.clip(np.rint(255 * y), 0, 255).astype(np.uint8)


def save(pixels, path: Path, form: str) -> Path:
    """A PNG file, or a JPEG file of the quality that `form` is."""
    image = Image.fromarray(pixels)
    if form == "png":
        image.save(path.with_suffix(".png"))
        return path.with_suffix(".png")
    image.save(path.with_suffix(".jpg"), quality=int(form))
    return path.with_suffix(".jpg")


def blur_part(options, folder: Path):
    for case, stem, command, file, clean in blurred_files(options, folder):
        yield case, stem, *gained(command, file, clean)


def cells_part(options, folder: Path):
    for case, stem, command, file, clean in blurred_files(options, folder):
        found = gained(command, file, clean)
        yield (*case, "white noise"), stem, *found
        _, _, told, before, _ = found
        gain = psnr(command.by_cells(file), clean) - before
        yield (*case, "cells"), stem, gain, False, told, before, []


def blurred_files(options, folder: Path):
    """Case, name, command line that is told the kernel, file and clean image."""
    forms, levels = (
        options.formats.split(","),
        [float(n) for n in options.noise.split(",")],
    )
    own = {
        "gaussian 1.2": kernels.gaussian(9, 1.2),
        "gaussian 2": kernels.gaussian(15, 2),
    }
    if options.kernel:
        own[f"kernel {Path(options.kernel).stem}"] = kernels.load_kernel(options.kernel)
    commands = {
        name: Command("--config=gaussian_deblur", f"--kernel={stored(kernel, folder)}")
        for name, kernel in own.items()
    }
    cases = enumerate(crops(options.images, options.count, options.side))
    for seed, (stem, pixels, corner) in cases:
        clean = cut(pixels, corner, options.side)
        for name in own:
            for form, noise in ((f, n) for f in forms for n in levels):
                y = blurred(pixels, own[name], corner, options.side, noise, seed)
                file = save(y, folder / stem, form)
                yield (name, form, noise), stem, commands[name], file, clean


def gained(command: Command, file: Path, clean: np.ndarray):
    image, status, level, notes = command(file)
    before = psnr(read_image(file).pixels, clean)
    return psnr(image, clean) - before, status == MISMATCH, level, before, notes[-1:]


def cut(pixels, corner, side):
    return pixels[corner[0] : corner[0] + side, corner[1] : corner[1] + side]


def stored(kernel: np.ndarray, folder: Path) -> Path:
    path = folder / f"kernel{abs(hash(kernel.tobytes()))}.npy"
    np.save(path, kernel)
    return path


def enlarge_part(options, folder: Path):
    names = ("BICUBIC", "LANCZOS", "BILINEAR", "BOX")
    filters = {name.lower(): Image.Resampling[name] for name in names}
    cases = list(crops(options.images, options.count, options.side))
    for factor in (2, 4):
        command = Command(f"--config=sr_x{factor}")
        for name, kind in filters.items():
            for stem, pixels, corner in cases:
                clean = cut(pixels, corner, options.side)
                large = Image.fromarray(np.rint(255 * clean).astype(np.uint8))
                size = [n // factor for n in large.size]
                file = folder / f"{stem}.png"
                large.resize(size, kind).save(file)
                image, status, level, _ = command(file)
                bicubic = Image.open(file).resize(large.size, Image.Resampling.BICUBIC)
                before = psnr(np.asarray(bicubic) / 255, clean)
                gain = psnr(image, clean) - before
                yield (
                    (f"x{factor}", name),
                    stem,
                    gain,
                    status == MISMATCH,
                    level,
                    before,
                )


def wrong_part(options, folder: Path):
    motion = kernels.load_kernel(options.kernel)
    enlarged: Any = zoom(motion, 2, order=1)
    wide = kernels.normalise(np.maximum(enlarged, 0)[:-1, :-1])
    one = np.ones((1, 1), np.float32)
    two, four = kernels.gaussian(15, 2), kernels.gaussian(29, 4)
    pairs = {
        "sharp, gaussian 2 told": (one, two),
        "sharp, motion told": (one, motion),
        "motion, gaussian 2 told": (motion, two),
        "motion, told mirrored": (motion, motion[::-1, ::-1]),
        "motion, told twice as wide": (motion, wide),
        "gaussian 2, told twice as wide": (two, four),
    }
    yield from pairs_part(options, folder, pairs)


def right_part(options, folder: Path):
    own = {Path(f).stem: kernels.load_kernel(f) for f in options.kernels.split(",")}
    yield from pairs_part(options, folder, {k: (v, v) for k, v in own.items()})


def pairs_part(options, folder: Path, pairs):
    cases = list(crops(options.images, options.count, options.side))
    for name, (true, told) in pairs.items():
        path = stored(np.ascontiguousarray(told), folder)
        command = Command("--config=gaussian_deblur", f"--kernel={path}")
        for noise in (float(n) for n in options.noise.split(",")):
            for seed, (stem, pixels, corner) in enumerate(cases):
                y = blurred(pixels, true, corner, options.side, noise, seed)
                file = save(y, folder / stem, "png")
                clean = cut(pixels, corner, options.side)
                yield (name, noise), stem, *gained(command, file, clean)


def table(rows) -> str:
    groups = defaultdict(list)
    for key, *values in rows:
        groups[tuple(key)].append(values)
    out = io.StringIO()
    out.write("| case | before | mean gain | worst | worse | mismatch | told |\n")
    out.write("|---|---|---|---|---|---|---|\n")
    for key, values in sorted(groups.items()):
        gains = np.array([v[1] for v in values])
        flagged = np.mean([v[2] for v in values])
        told, before = (np.mean([v[i] for v in values]) for i in (3, 4))
        out.write(
            f"| {', '.join(map(str, key))} | {before:.2f} | {gains.mean():+.2f} |"
            f" {gains.min():+.2f} | {np.mean(gains < WORSE):.0%} | {flagged:.0%} |"
            f" {told:.1f} |\n"
        )
    gains = np.array([row[2] for row in rows])
    out.write(
        f"\n{len(gains)} files, mean gain {gains.mean():+.2f} dB, worst"
        f" {gains.min():+.2f}, {np.sum(gains < WORSE)} worse by more than 0.1 dB,"
        f" {sum(row[3] for row in rows)} flagged as {MISMATCH}\n"
    )
    return out.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", required=True, help="folder of clean photographs")
    parser.add_argument("--kernel", default="", help="motion kernel of blur and wrong")
    parser.add_argument("--kernels", default="", help="of right, separated by commas")
    parts = {"blur": blur_part, "cells": cells_part, "enlarge": enlarge_part}
    parts |= {"wrong": wrong_part, "right": right_part}
    parser.add_argument("--part", choices=parts, default="blur")
    parser.add_argument("--count", type=int, default=20, help="images")
    parser.add_argument("--side", type=int, default=128, help="of their middle")
    parser.add_argument("--formats", default="png,95,90,75,60")
    parser.add_argument("--noise", default="0,2,5", help="levels of 255")
    parser.add_argument("--out", default="", help="JSON file for all rows")
    options = parser.parse_args()
    keep_compiled_programs()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for row in tqdm(parts[options.part](options, Path(folder)), unit="file"):
            rows.append(row)
            if options.out:
                Path(options.out).write_text(json.dumps(rows, default=float))
    print(table(rows))


if __name__ == "__main__":
    main()
