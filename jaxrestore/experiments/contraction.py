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

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore.errors import InputError
from jaxrestore.evaluation.harness import generator
from jaxrestore.evaluation.inputs import hierarchical_prior, test_images
from jaxrestore.evaluation.tables import markdown
from jaxrestore.experiments.settings import Config as Base
from jaxrestore.experiments.settings import label, level, of_255, taus
from jaxrestore.report import charts
from jaxrestore.settings import choice, count, sequence, setting

QUICK = {"max_images": 3, "patch": 16, "count": 4, "batch": 1}
_QUANTILES = (0.05, 0.5, 0.95)


def _told(value: Any, name: str) -> Any:
    return value if value == "input" else level(zero=True, none=True)(value, name)


@dataclass(frozen=True)
class Config(Base):
    noise: tuple = setting(of_255(0, 25, 50), sequence(level(zero=True)), "of 255")
    temperatures: tuple = setting((0.6, 0.8, 0.99), taus, "tau, in (0, 1]")
    patch: int = setting(64, count(), "side of the crops")
    pairs: str = setting("different", choice("different", "same"), "of images or noise")
    tell: Any = setting("input", _told, "input, none, or a level of 255")
    batch: int = setting(4, count(), "pairs at a time")
    count: int = setting(200, count(), "pairs a histogram")


def run(config: Config, report) -> None:
    """Measure, draw, tabulate."""
    prior = hierarchical_prior(config.prior, "contraction")
    levels = [n for n in config.noise if n > 0 or config.pairs == "different"]
    if not levels:
        raise InputError("--noise=0: --pairs=same needs noise, expected levels above 0")
    crop_key, noise_key = jax.random.split(jax.random.key(config.seed))
    clean = pairs(crop_key, test_images(prior, config), config)
    # All levels share one draw, as all temperatures share the pairs.
    draw = jax.random.normal(noise_key, clean.shape)
    rows, kept = [], {}
    for noise in tqdm(levels, desc="noise", disable=None):
        noisy, name = clean + noise * draw, label(noise)
        heard = noise if config.tell == "input" else config.tell
        for tau in tqdm(config.temperatures, desc="tau", leave=False, disable=None):
            values = np.asarray(ratios(prior, noisy, tau, heard, batch=config.batch))
            kept[name, tau] = values
            rows += [
                {"noise": name, "temperature": tau, "pair": i, "ratio": float(r)}
                for i, r in enumerate(values)
            ]
        report.rows(rows)
    _draw(report.picture, kept, list(map(label, levels)), config)
    report.table(_table(kept, _how(prior, config)), {"groups": prior.num_groups})


def pairs(key: jax.Array, images, config: Config) -> jax.Array:
    """Clean pairs (count, 2, side, side, C).

    Raises:
        InputError: an image is smaller than a crop, or one image for different ones.
    """
    rng, side = generator(key), config.patch
    sources = list(images.items())
    for name, image in sources:
        if min(image.shape[:2]) < side:
            raise InputError(
                f"--patch={side}: image {name} is {image.shape[0]}x{image.shape[1]};"
                " expected crops that fit, lower it"
            )
    if len(sources) < 2 and config.pairs == "different":
        raise InputError(
            f"--images={config.images}: one image, pairs need two; add images or say"
            " --pairs=same"
        )

    def crop(image):
        top, left = (rng.integers(0, size - side + 1) for size in image.shape[:2])
        return image[top : top + side, left : left + side]

    drawn = []
    for _ in range(config.count):
        if config.pairs == "same":
            drawn.append([crop(sources[rng.integers(len(sources))][1])] * 2)
        else:
            first, second = rng.choice(len(sources), 2, replace=False)
            drawn.append([crop(sources[first][1]), crop(sources[second][1])])
    return jnp.asarray(np.asarray(drawn))


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


def _how(prior, config: Config) -> str:
    if not getattr(prior.config, "noise_input", False):
        encoder = "nothing"
    elif config.tell == "input":
        encoder = "the noise level of its input"
    else:
        encoder = f"noise {label(config.tell or 0)}"
    between = "two different images, each with its own noise"
    if config.pairs == "same":
        between = "one crop, two draws of the noise"
    side = f"{config.patch}x{config.patch}"
    return (
        f"{config.count} pairs of {side} crops ({between}); the encoder is told"
        f" {encoder}"
    )


def _table(kept, how: str) -> str:
    body = []
    for (noise, tau), values in kept.items():
        quantiles = (f"{q:.3f}" for q in np.quantile(values, _QUANTILES))
        share = f"{100 * np.mean(values >= 1):.1f} %"
        body.append([noise, f"{tau:g}", *quantiles, f"{values.max():.3f}", share])
    names = (f"{100 * q:g} % quantile" for q in _QUANTILES)
    head = ["noise", "temperature", *names, "largest", "ratios >= 1"]
    return f"{how}\n\n{markdown(head, body)}"


def _draw(path, kept, levels, config) -> None:
    with charts.chart(
        path, len(levels), f"HVAE as a contraction, {config.prior}"
    ) as axes:
        for ax, noise in zip(axes, levels, strict=True):
            every = np.concatenate([kept[noise, tau] for tau in config.temperatures])
            edges = list(np.histogram_bin_edges(every[np.isfinite(every)], 40))
            for tau in config.temperatures:
                name = f"tau = {tau:g}"
                ax.hist(kept[noise, tau], edges, histtype="step", label=name)
            ax.axvline(1, color="black", linestyle="--", linewidth=0.8)
            ratio = "||HVAE(u) - HVAE(v)|| / ||u - v||"
            charts.label(ax, f"noise {noise}/255", ratio, "pairs")
