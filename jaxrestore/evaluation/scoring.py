"""Scores of restored images, and settings chosen by them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore.metrics import load_lpips, psnr, ssim

_WINDOW = 11  # pixels, of SSIM


@jax.jit
def _scores(image, clean):
    values = {"psnr": psnr(image, clean)}
    if min(clean.shape[:2]) >= _WINDOW:
        values["ssim"] = ssim(image, clean)
    return values


def scores(image, clean) -> dict[str, float]:
    """PSNR in dB and SSIM (NaN for images below 11x11 pixels)."""
    values = _scores(jnp.asarray(image), jnp.asarray(clean))
    return {name: float(values.get(name, np.nan)) for name in ("psnr", "ssim")}


def scorer(weights: str = "") -> Callable[[Any, Any], dict[str, float]]:
    """PSNR and SSIM, and LPIPS with a weights file.

    Args:
        weights: what `python -m jaxrestore.convert --format=lpips` wrote, or "".

    Raises:
        InputError: not such a file.
    """
    if not weights:
        return scores
    distance = jax.jit(load_lpips(weights).__call__)

    def scores_with_lpips(image, clean):
        value = distance(jnp.asarray(image), jnp.asarray(clean))
        return scores(image, clean) | {"lpips": float(value)}

    return scores_with_lpips


def outcome(run: Any) -> dict[str, int]:
    """How a restoration ended."""
    return {"steps": int(run.steps), "status": int(run.status)}


def score_all(
    results, images: Mapping[str, Any], score=scores, facts=outcome
) -> list[dict]:
    """One row for every method and image.

    Args:
        results: method -> (images in the order of `images`, seconds for all of them,
            restorations or ()).
        images: clean ones by name.
        score: (image, clean) -> named numbers.
        facts: restoration -> further columns.
    """
    rows = []
    for method, (restored, seconds, runs) in results.items():
        for i, (name, clean) in enumerate(images.items()):
            row = {"image": name, "method": method, **score(restored[i], clean)}
            if len(runs):
                row |= facts(runs[i])
            rows.append(row | {"seconds": seconds / len(images)})
    return rows


def best_of(grid: Sequence[dict], solve, cases, label: str) -> dict:
    """The point of the grid with the best mean PSNR.

    Args:
        grid: settings to choose from.
        solve: (observations, **point) -> images.
        cases: pairs of observations and clean images.
        label: for the progress bar and the lines that tell each score.
    """
    if len(grid) == 1:
        return grid[0]
    means = []
    for chosen in tqdm(grid, desc=f"tune {label}", disable=None):
        values = [
            scores(x, clean)["psnr"]
            for observations, images in cases
            for x, clean in zip(solve(observations, **chosen), images, strict=True)
        ]
        means.append(float(np.mean(np.nan_to_num(values, nan=-np.inf))))
        tqdm.write(f"val, {label}, {chosen}: {means[-1]:.3f} dB")
    return grid[int(np.argmax(means))]
