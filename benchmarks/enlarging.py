"""Enlarging photographs that Pillow reduced: dB above Pillow's bicubic enlargement.

python benchmarks/enlarging.py --folder=DIR --factor=2 --made=area --assumed=bicubic
python benchmarks/enlarging.py --folder=DIR --factor=2 --images=20 --guess

The second one counts what `estimate_filter` takes each of Pillow's filters for.
"""

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from jaxrestore import Observation, PnPHVAE, load_prior, restore
from jaxrestore.data.images import list_images
from jaxrestore.estimation.reduction import estimate_filter
from jaxrestore.metrics import psnr
from jaxrestore.operators import Resize
from jaxrestore.solvers.tv import TV

_NOISE = 0.5 / 255
_PILLOW = {"bicubic": "BICUBIC", "lanczos": "LANCZOS", "area": "BOX"}
_PILLOW |= {"bilinear": "BILINEAR", "nearest": "NEAREST"}


def _crop(path: Path, side: int) -> np.ndarray:
    image = np.asarray(Image.open(path).convert("RGB"))
    top, left = ((n - side) // 2 for n in image.shape[:2])
    return image[top : top + side, left : left + side]


def _resized(image: np.ndarray, side: int, name: str) -> np.ndarray:
    filter_ = getattr(Image.Resampling, _PILLOW[name])
    return np.asarray(Image.fromarray(image).resize((side, side), filter_))


def _gains(clean: np.ndarray, options, methods) -> list[float]:
    small = _resized(clean, options.side // options.factor, options.made)
    y = small / np.float32(255)
    assumed = options.assumed
    if assumed == "estimated":
        assumed = estimate_filter(y, options.factor)[0]
    operator = Resize.create(clean.shape, small.shape, assumed)
    observation = Observation.create(y, operator, _NOISE)
    truth = clean / np.float32(255)
    plain = psnr(_resized(small, options.side, "bicubic") / np.float32(255), truth)
    return [
        float(psnr(restore(method, observation, max_steps=n).image, truth) - plain)
        for method, n in methods
    ]


def _guesses(images: list[np.ndarray], factor: int) -> None:
    small = images[0].shape[0] // factor
    for made in _PILLOW:
        seen = [_resized(image, small, made) / np.float32(255) for image in images]
        counts = Counter(estimate_filter(y, factor)[0] for y in seen)
        answers = ", ".join(f"{name} {n}" for name, n in counts.most_common())
        print(f"x{factor} {made}: {answers}")


def main() -> None:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=form)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--side", type=int, default=160)
    parser.add_argument("--factor", type=int, default=2)
    parser.add_argument("--made", choices=_PILLOW, default="bicubic")
    parser.add_argument("--assumed", choices=(*_PILLOW, "estimated"), default="bicubic")
    parser.add_argument("--decoder_std", type=float, default=2.0, help="of 255")
    parser.add_argument("--steps", type=int, default=12, help="of PnP-HVAE")
    parser.add_argument("--guess", action="store_true", help="estimate_filter alone")
    options = parser.parse_args()
    files = list_images(options.folder)[: options.images]
    images = [_crop(file, options.side) for file in files]
    if options.guess:
        return _guesses(images, options.factor)
    prior = load_prior("patch-vdvae-natural")
    std = options.decoder_std / 255
    pnp = PnPHVAE(prior, temperature=0.95, decoder_std=std, encoder_noise=9 / 255)
    methods = (pnp, options.steps), (TV(weight=0.1 / _NOISE), None)
    gains = [_gains(image, options, methods) for image in images]
    for name, column in zip(("PnP-HVAE", "TV"), np.transpose(gains), strict=True):
        print(
            f"x{options.factor} {options.made} as {options.assumed}: {name}"
            f" {column.mean():+.2f} dB, worst {column.min():+.2f}"
        )


if __name__ == "__main__":
    main()
