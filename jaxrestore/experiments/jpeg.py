"""JPEG artefacts of known quality: PSNR, SSIM, and the cells that are kept.

  python -m jaxrestore.experiments jpeg --images=DIR --out=DIR

Images are compressed with chroma subsampling (4:2:0). The prior is told the error that
the file's own tables and coefficients suggest and gives one reconstruction; then comes
the nearest image of which every DCT coefficient is in the cell that the file names. The
CSV's `inside` is the share of coefficients in their cells.
"""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
from tqdm import tqdm

from jaxrestore.data.images import read_image
from jaxrestore.data.jpeg import JPEGFile, read_jpeg
from jaxrestore.estimation.jpeg import jpeg_noise_std
from jaxrestore.evaluation.harness import scores
from jaxrestore.evaluation.inputs import prior_and_images
from jaxrestore.evaluation.pictures import draw
from jaxrestore.evaluation.tables import SCORES, across, of, table
from jaxrestore.experiments.settings import Config as BaseConfig
from jaxrestore.experiments.settings import configured, tau
from jaxrestore.likelihoods.compressed import jpeg_observation
from jaxrestore.likelihoods.jpeg_steps import project_box, share_inside
from jaxrestore.settings import count, number, sequence, setting

QUICK = {"max_images": 1, "crop": 24, "quality": (20,)}
_METHODS = "JPEG", "prior", "prior, in the cells"


@configured()
class Config(BaseConfig):
    quality: tuple = setting((10, 20, 40), sequence(count(1)), "of compression, to 95")
    temperature: float = setting(1.0, tau, "tau")
    told: float = setting(1.0, number(0), "times the estimated error")
    shown: int = setting(1, count(), "images drawn")


def run(config: Config, report) -> None:
    """Compress, restore, score."""
    prior, images = prior_and_images(config)
    clean_up = jax.jit(partial(restored, temperature=config.temperature))
    rows, drawn = [], []
    for quality in config.quality:
        for i, (name, clean) in enumerate(tqdm(images.items(), disable=None)):
            decoded, file = compress(clean, quality)
            level, seen = jpeg_noise_std(file), jpeg_observation(file)
            mean, boxed = clean_up(prior, seen, decoded, config.told * level)
            found = dict(zip(_METHODS, (decoded, mean, boxed), strict=True))
            for method, image in found.items():
                row = {"image": name, "quality": quality, "method": method}
                row |= scores(image, clean) | {"level": 255 * level}
                rows.append(row | {"inside": float(share_inside(seen, image))})
            if i < config.shown:
                shown = {method: np.asarray(image) for method, image in found.items()}
                drawn.append((f"quality {quality}", shown | {"clean": clean}))
            report.rows(rows)
    draw(report.picture, drawn)
    cells = across(rows, "quality", *SCORES.values(), of("inside", ".4f"))
    caption = f"{len(images)} images; mean PSNR (dB) / SSIM / share inside the cells"
    report.table(caption, table(rows, ["method"], cells))


def compress(clean: np.ndarray, quality: int) -> tuple[jax.Array, JPEGFile]:
    """An image (H, W, C) in [0, 1] as a JPEG: decoded, and its coefficients."""
    levels = np.rint(255 * np.clip(clean, 0, 1)).astype(np.uint8)
    pixels = levels if levels.shape[-1] == 3 else levels[..., 0]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "image.jpg"
        Image.fromarray(pixels).save(path, quality=quality, subsampling="4:2:0")
        file = read_jpeg(path)
        assert file is not None  # Pillow writes what is read here
        return jnp.asarray(read_image(path).pixels), file


def restored(prior, observation, decoded, told, temperature):
    """The prior's reconstruction, and its projection into the cells."""
    mean = prior.reconstruct(decoded, temperature, told).mean
    return mean, project_box(observation, mean)
