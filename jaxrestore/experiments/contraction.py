"""Does the reconstruction HVAE(., tau) bring two images closer? (thesis, figure 5.2)

  python -m jaxrestore.experiments contraction --images=DIR --out=DIR

Histograms of r = ||HVAE(u, tau) - HVAE(v, tau)|| / ||u - v|| for each noise level and
temperature. The thesis does not say how its pairs are formed. Here (--pairs=different)
u and v are random crops of two different images, each with noise of its own;
--pairs=same takes one crop with two draws of the noise, which probes the neighbourhood
of an image instead (noise 0 is left out then). Each ratio bounds the Lipschitz constant
from below; all temperatures see the same pairs.

A prior trained for denoising is told the noise level of its input; --tell=solver tells
what PnP-HVAE ends with where it deblurs an observation of noise --observed, whatever
the input; --tell=LEVEL, of 255, one level always, and --tell=none tells 0.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore.errors import InputError
from jaxrestore.evaluation.harness import generator
from jaxrestore.evaluation.inputs import prior_and_images
from jaxrestore.evaluation.tables import grouped, of, table
from jaxrestore.experiments import settings as kinds
from jaxrestore.report import charts
from jaxrestore.settings import choice, count, sequence, setting
from jaxrestore.solvers.presets import preset

QUICK = {"max_images": 3, "patch": 16, "count": 4, "batch": 1}
_TABLE = {
    f"{100 * q:g} % quantile": of("ratio", ".3f", partial(np.quantile, q=q))
    for q in (0.05, 0.5, 0.95)
}
_TABLE |= {"largest": of("ratio", ".3f", np.max)}
_TABLE |= {"ratios >= 1": of("ratio", ".1%", lambda ratio: np.mean(ratio >= 1))}


def _told(value: Any, name: str) -> Any:
    return value if value in ("input", "solver") else kinds.told(value, name)


@kinds.configured()
class Config(kinds.Config):
    noise: tuple = setting(
        kinds.of_255(0, 25, 50), sequence(kinds.level(zero=True)), "of 255"
    )
    temperatures: tuple = setting((0.6, 0.8, 0.99), kinds.taus, "tau, in (0, 1]")
    patch: int = setting(64, count(), "side of the crops")
    pairs: str = setting("different", choice("different", "same"), "of images or noise")
    tell: Any = setting("input", _told, "input, solver, none, or a level of 255")
    observed: float = setting(
        kinds.Level(7.65 / 255), kinds.level(), "of 255, for --tell=solver"
    )
    batch: int = setting(4, count(), "pairs at a time")
    count: int = setting(200, count(), "pairs a histogram")


def run(config: Config, report) -> None:
    """Measure, draw, tabulate."""
    prior, images = prior_and_images(config)
    levels = [n for n in config.noise if n > 0 or config.pairs == "different"]
    if not levels:
        raise InputError("--noise=0: --pairs=same needs noise, expected levels above 0")
    crop_key, noise_key = jax.random.split(jax.random.key(config.seed))
    clean, rows = pairs(crop_key, images, config), []
    # All levels share one draw, as all temperatures share the pairs.
    draw = jax.random.normal(noise_key, clean.shape)
    for noise in tqdm(levels, desc="noise", disable=None):
        heard = _heard(config, noise)
        for tau in tqdm(config.temperatures, desc="tau", leave=False, disable=None):
            noisy, name = clean + noise * draw, kinds.label(noise)
            values = ratios(prior, noisy, tau, heard, batch=config.batch)
            rows += [
                {"noise": name, "temperature": tau, "pair": i, "ratio": ratio}
                for i, ratio in enumerate(np.asarray(values).tolist())
            ]
        report.rows(rows)
    _draw(report.picture, rows, f"HVAE as a contraction, {config.prior}")
    found = table(rows, ["noise", "temperature"], _TABLE)
    report.table(_how(prior, config), found, {"groups": prior.num_groups})


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


def _heard(config: Config, noise: float) -> float | None:
    """What the encoder is told of an input with that noise."""
    if config.tell == "solver":
        tuned = preset("pnp_hvae", config.prior, "blur", config.observed)
        return tuned.settings.get("encoder_noise")
    return noise if config.tell == "input" else config.tell


def _how(prior, config: Config) -> str:
    encoder = "the noise level of its input"
    if not getattr(prior.config, "noise_input", False):
        encoder = "nothing"
    elif config.tell != "input":
        encoder = f"noise {kinds.label(_heard(config, 0) or 0)}"
    between = {
        "different": "two different images, each with its own noise",
        "same": "one crop, two draws of the noise",
    }[config.pairs]
    crops = f"{config.count} pairs of {config.patch}x{config.patch} crops"
    return f"{crops} ({between}); the encoder is told {encoder}"


def _draw(path, rows, title: str) -> None:
    levels = grouped(rows, "noise")
    with charts.chart(path, len(levels), title) as axes:
        for ax, ((noise,), own) in zip(axes, levels.items(), strict=True):
            every = np.array([row["ratio"] for row in own])
            edges = list(np.histogram_bin_edges(every[np.isfinite(every)], 40))
            for (tau,), of_tau in grouped(own, "temperature").items():
                values = [row["ratio"] for row in of_tau]
                ax.hist(values, edges, histtype="step", label=f"tau = {tau:g}")
            ax.axvline(1, color="black", linestyle="--", linewidth=0.8)
            ratio = "||HVAE(u) - HVAE(v)|| / ||u - v||"
            charts.label(ax, f"noise {noise}/255", ratio, "pairs")
