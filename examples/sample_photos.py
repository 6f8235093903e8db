"""Ten photographs that nobody degraded, as a stranger would try them: a sheet.

    python examples/sample_photos.py --out=DIR

They are those that scikit-image ships; PNG files are cut to 256 x 256, JPEG files taken
whole. Each goes through the command line; the sheet shows the middle before and after.
There is no truth to score them by: look at them.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from jaxrestore.cli.entry import run_command
from jaxrestore.cli.solve import main as solve
from jaxrestore.data.images import read_image
from jaxrestore.report.sheets import sheet

# file, where it is cut, and what is tried.
CASES = (
    ("clock_motion.png", (20, 70), "--kernel=auto"),
    ("moon.png", (100, 150), "--kernel=auto"),
    ("text.png", (0, 0), "--kernel=auto"),
    ("astronaut.png", (20, 130), "--kernel=auto"),
    ("coins.png", (40, 100), "--config=denoise"),
    ("chelsea.png", (20, 90), "--config=denoise"),
    ("rocket.jpg", None, "--config=jpeg"),
    ("hubble_deep_field.jpg", None, "--config=denoise"),
    ("camera.png", (60, 130), "--config=sr_x2"),
    ("coffee.png", (60, 160), "--config=sr_x2"),
)
_SIDE, _SHOWN = 256, 180


def prepared(name: str, corner: tuple[int, int] | None, folder: Path) -> Path:
    """The file, PNG files cut."""
    source = Path(data.__file__).parent / name
    if corner is None:
        return source
    with Image.open(source) as image:
        left, top = corner[1], corner[0]
        part = image.crop(
            (left, top, min(left + _SIDE, image.width), min(top + _SIDE, image.height))
        )
        part.save(folder / name)
    return folder / name


def pair(folder: Path) -> list[np.ndarray]:
    """The middle of the file and of what came back, of one size."""
    before, after = (
        read_image(folder / f"{name}.png").pixels for name in ("observed", "restored")
    )
    factor = after.shape[0] // before.shape[0]
    before = before.repeat(factor, 0).repeat(factor, 1)
    return [_middle(before), _middle(after)]


def _middle(image: np.ndarray) -> np.ndarray:
    """The middle (180, 180, 3); white where the image ends before that."""
    top, left = ((n - min(_SHOWN, n)) // 2 for n in image.shape[:2])
    part = image[top : top + _SHOWN, left : left + _SHOWN]
    shown = np.ones((_SHOWN, _SHOWN, 3), np.float32)
    shown[: part.shape[0], : part.shape[1]] = part
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", default="sample_photos", type=Path)
    out = parser.parse_args().out
    (out / "cut").mkdir(parents=True, exist_ok=True)
    rows, labels, failed = [], [], 0
    for name, corner, argument in CASES:
        path = prepared(name, corner, out / "cut")
        flags = [argument, f"--input={path}", f"--output={out}"]
        if run_command(solve, ["solve.py", *flags]):
            failed += 1
            continue
        summary = json.loads((out / "summary.json").read_text())
        (record,) = (r for r in summary["images"] if r["name"] == path.stem)
        rows.append(pair(out / path.stem))
        labels.append(f"{path.stem}\n{argument[2:]}\n{record['status']}")
    half = -(-len(rows) // 2)
    wide = [a + b for a, b in zip(rows[:half], rows[half:], strict=False)]
    names = [f"{a}\n\n{b}" for a, b in zip(labels[:half], labels[half:], strict=False)]
    sheet(out / "sheet.png", wide, names, ["before", "after"] * 2, inches=1.8)
    print(f"Sheet: {out / 'sheet.png'}")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
