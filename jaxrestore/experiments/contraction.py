"""Does the reconstruction HVAE(., tau) bring two images closer? (thesis, figure 5.2)

  python -m jaxrestore.experiments contraction --images=DIR --out=DIR

Histograms of r = ||HVAE(u, tau) - HVAE(v, tau)|| / ||u - v|| for each noise level and
temperature. The thesis does not say how its pairs are formed. Here (--pairs=different)
u and v are random crops of two different images, each with noise of its own;
--pairs=same takes one crop with two draws of the noise, which probes the neighbourhood
of an image instead (noise 0 is left out then). Each ratio bounds the Lipschitz constant
from below; all temperatures see the same pairs.

A prior trained for denoising is told the noise level of its input; --tell=LEVEL, of
255, tells one level always, as PnP-HVAE does, and --tell=none tells 0.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore import InputError
from jaxrestore.experiments import flags as kinds
from jaxrestore.experiments.inputs import hierarchical_prior, images_for, told
from jaxrestore.experiments.tables import markdown
from jaxrestore.report.charts import chart, label

QUICK = {"max_images": 3, "patch": 16, "count": 4, "batch": 1}
_QUANTILES = (0.05, 0.5, 0.95)


def add_flags(parser) -> None:
    """Flags of this experiment."""
    add = parser.add_argument
    add("--noise", type=kinds.numbers, default=[0.0, 25.0, 50.0], help="of 255")
    taus = [0.6, 0.8, 0.99]
    add("--temperatures", type=kinds.temperatures, default=taus, help="tau, in (0, 1]")
    add("--patch", type=kinds.count, default=64, help="side of the crops")
    add("--count", type=kinds.count, default=200, help="pairs a histogram")
    add("--pairs", choices=("different", "same"), default="different")
    add("--tell", default="input", help="input, none, or a level of 255")
    add("--batch", type=kinds.count, default=4, help="pairs at a time")


def run(flags, report) -> None:
    """Measure, draw, tabulate."""
    prior = hierarchical_prior(flags.prior, "contraction")
    told_level = _tell(flags)
    levels = [n for n in flags.noise if n > 0 or flags.pairs == "different"]
    if not levels:
        raise InputError("--noise=0: --pairs=same needs noise, expected levels above 0")
    clean = pairs(images_for(prior, flags), flags)
    rows, kept = [], {}
    for noise in tqdm(levels, desc="noise", disable=None):
        noisy = add_noise(clean, noise, flags.seed)
        heard = told(prior, noise if told_level == "input" else told_level)
        for tau in tqdm(flags.temperatures, desc="tau", leave=False, disable=None):
            values = np.asarray(ratios(prior, noisy, tau, heard, batch=flags.batch))
            kept[noise, tau] = values
            pair_rows = [
                {"noise": noise, "temperature": tau, "pair": i, "ratio": float(r)}
                for i, r in enumerate(values)
            ]
            rows += pair_rows
        report.rows(rows)
    _draw(report.picture, kept, levels, flags)
    report.table(_table(kept, _how(prior, flags)), {"groups": prior.num_groups})


def pairs(images: dict[str, np.ndarray], flags) -> np.ndarray:
    """Clean pairs (count, 2, side, side, C), drawn with flags.seed.

    Raises:
        InputError: an image is smaller than a crop, or one image for different ones.
    """
    rng, side = np.random.default_rng(flags.seed), flags.patch
    sources = list(images.items())
    for name, image in sources:
        if min(image.shape[:2]) < side:
            raise InputError(
                f"--patch={side}: image {name} is {image.shape[0]}x{image.shape[1]};"
                " expected crops that fit, lower it"
            )
    if len(sources) < 2 and flags.pairs == "different":
        raise InputError(
            f"--images={flags.images}: one image, pairs need two; add images or say"
            " --pairs=same"
        )

    def crop(image):
        top, left = (rng.integers(0, size - side + 1) for size in image.shape[:2])
        return image[top : top + side, left : left + side]

    drawn = []
    for _ in range(flags.count):
        if flags.pairs == "same":
            drawn.append([crop(sources[rng.integers(len(sources))][1])] * 2)
        else:
            first, second = rng.choice(len(sources), 2, replace=False)
            drawn.append([crop(sources[first][1]), crop(sources[second][1])])
    return np.asarray(drawn)


def add_noise(clean: np.ndarray, noise: float, seed: int) -> jax.Array:
    """Independent white noise (of 255) on every image of every pair."""
    draw = jax.random.normal(jax.random.key(seed), clean.shape)
    return jnp.asarray(clean) + noise / 255 * draw


@partial(jax.jit, static_argnames="batch")
def ratios(prior: Any, images: jax.Array, tau, heard=None, *, batch: int = 1):
    """||HVAE(u, tau) - HVAE(v, tau)|| / ||u - v|| of each pair, (count,).

    Args:
        prior: a hierarchical prior.
        images: (count, 2, H, W, C).
        tau: temperature in (0, 1].
        heard: noise level that the encoder is told, [0, 1] units, or None.
        batch: static, pairs at a time.
    """

    def ratio(pair):
        first, second = jax.vmap(lambda u: prior.reconstruct(u, tau, heard).mean)(pair)
        between = jnp.linalg.norm((first - second).ravel())
        return between / jnp.linalg.norm((pair[0] - pair[1]).ravel())

    return jax.lax.map(ratio, images, batch_size=batch if batch > 1 else None)


def _tell(flags) -> Any:
    if flags.tell == "input":
        return flags.tell
    try:
        return None if flags.tell == "none" else kinds.number(flags.tell)
    except ValueError as error:
        raise InputError(
            f"--tell={flags.tell}: expected input, none, or a level of 255 such as 9"
        ) from error


def _how(prior, flags) -> str:
    heard = {"input": "the noise level of its input", "none": "noise 0"}
    encoder = heard.get(flags.tell, f"noise {flags.tell} always")
    if not getattr(prior.config, "noise_input", False):
        encoder = "nothing"
    between = "two different images, each with its own noise"
    if flags.pairs == "same":
        between = "one crop, two draws of the noise"
    side = f"{flags.patch}x{flags.patch}"
    return (
        f"{flags.count} pairs of {side} crops ({between}); the encoder is told"
        f" {encoder}"
    )


def _table(kept, how: str) -> str:
    body = []
    for (noise, tau), values in kept.items():
        quantiles = (f"{q:.3f}" for q in np.quantile(values, _QUANTILES))
        share = f"{100 * np.mean(values >= 1):.1f} %"
        body.append(
            [f"{noise:g}", f"{tau:g}", *quantiles, f"{values.max():.3f}", share]
        )
    names = (f"{100 * q:g} % quantile" for q in _QUANTILES)
    head = ["noise", "temperature", *names, "largest", "ratios >= 1"]
    return f"{how}\n\n{markdown(head, body)}"


def _draw(path, kept, levels, flags) -> None:
    with chart(path, len(levels), f"HVAE as a contraction, {flags.prior}") as axes:
        for ax, noise in zip(axes, levels, strict=True):
            every = np.concatenate([kept[noise, tau] for tau in flags.temperatures])
            edges = list(np.histogram_bin_edges(every[np.isfinite(every)], 40))
            for tau in flags.temperatures:
                name = f"tau = {tau:g}"
                ax.hist(kept[noise, tau], edges, histtype="step", label=name)
            ax.axvline(1, color="black", linestyle="--", linewidth=0.8)
            ratio = "||HVAE(u) - HVAE(v)|| / ||u - v||"
            label(ax, f"noise {noise:g}/255", ratio, "pairs")
