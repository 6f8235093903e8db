"""Do the volumes of later groups depend on earlier latents? (thesis, figure 5.1)

  python -m jaxrestore.experiments volume --images=DIR --out=DIR

Algorithm 3 minimises J2(x, .) exactly where the volumes of the covariances do not
depend on the latents above (assumption 5.1). This measures by how much they do. From
z = E_tau(x), one group l is moved by t standard deviations of its tempered factor, t
uniform in [0, --reach], in a random direction per draw; then

    A_l     = ||z_l - mu_l||^2 in the metric of the tempered factor's precision
    B_(l+1) = log |Sigma_phi| + lambda log |Sigma_theta| of group l + 1

with lambda = 1/tau^2 - 1, both without their factor 1/2, in nats. The table compares
how far B_(l+1) moves away from its value at E_tau(x) with A_l: far below 1, the
assumption is harmless. (The thesis' figure shows the plain norm, in which A_l has no
unit to compare with.) A prior with a noise input is told --noise.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore.evaluation.inputs import prior_and_images
from jaxrestore.evaluation.tables import grouped, of, table
from jaxrestore.experiments.settings import Config as BaseConfig
from jaxrestore.experiments.settings import configured, level, tau
from jaxrestore.priors.hvae.gaussian import blend, tempered
from jaxrestore.report import charts
from jaxrestore.settings import count, number, setting

QUICK = {"max_images": 1, "crop": 16, "draws": 2}


@configured(max_images=4, crop=64)
class Config(BaseConfig):
    temperature: float = setting(0.8, tau, "tau")
    reach: float = setting(2.0, number(0), "largest t, in deviations")
    draws: int = setting(8, count(), "for each image and group")
    noise: float = setting(0.0, level(zero=True), "added to the images, of 255")


def run(config: Config, report) -> None:
    """Measure, draw, tabulate."""
    prior, images = prior_and_images(config, groups=2)
    tau, root, rows = config.temperature, jax.random.key(config.seed), []
    bar = tqdm(images.items(), desc="images", disable=None)
    for i, (name, clean) in enumerate(bar):
        noise_key, move_key = jax.random.split(jax.random.fold_in(root, i))
        seen = clean + config.noise * jax.random.normal(noise_key, clean.shape)
        told = tau, move_key, config.noise, config.reach
        moved = jax.device_get(measure(prior, seen, *told, draws=config.draws))
        rows += [
            {"image": name, "group": at[0]}
            | {k: float(v[at]) for k, v in moved.items()}
            for at in np.ndindex(prior.num_groups - 1, config.draws)
        ]
        report.rows(rows)
    _draw(report.picture, rows, f"{config.prior}, tau = {tau:g}")
    ordered = sorted(rows, key=lambda row: row["group"])
    shares = [_share(own) for own in grouped(ordered, "group").values()]
    largest = f"largest ratio {max(shares):.3g}, median {np.median(shares):.3g}"
    caption = f"{len(images)} images, {config.draws} draws a group, tau = {tau:g}"
    columns = {
        "elements": of("elements", ".0f"),
        "mean A_l": of("distance", ".3g"),
        "mean change of B_(l+1)": of("change", ".3g", lambda v: np.abs(v).mean()),
        "their ratio": lambda own: f"{_share(own):.3g}",
    }
    found = table(ordered, ["group"], columns)
    report.table(f"{caption}; {largest}", found, {"groups": prior.num_groups})


class Moved(NamedTuple):
    """The latent rule: E_tau, but t deviations away from it in one group."""

    temperature: Any
    group: jax.Array
    shift: jax.Array
    key: jax.Array
    uses_posterior = True

    def inputs(self, start, count, shape):
        """Noise of each group, zero but for the moved one."""
        at = jnp.arange(start, start + count)
        noise = jax.random.normal(self.key, (count, *shape))
        here = (at == self.group) * self.shift
        return here[:, None, None, None] * noise

    def __call__(self, inputs, prior, posterior):
        _, std = tempered(prior, posterior, self.temperature)
        return blend(prior, posterior, self.temperature) + std * inputs


@partial(jax.jit, static_argnames="draws")
def measure(prior, image, tau, key, heard, reach, *, draws: int) -> dict:
    """Moves every group but the last `draws` times.

    Args:
        prior: a hierarchical VAE with L >= 2 groups.
        image: (H, W, C) in [0, 1].
        tau: temperature, a scalar in (0, 1].
        key: of directions and shifts.
        heard: noise level that the encoder is told, or None.
        reach: largest shift, in standard deviations.
        draws: static.

    Returns:
        Arrays (L - 1, draws): "shift" t, "distance" A_l, "change", B_(l+1) minus its
        value at E_tau(x), and "elements", how many z_l has.
    """
    tau, groups = jnp.asarray(tau, jnp.float32), prior.num_groups - 1

    def collect(z, p, q):
        weight, std = tempered(p, q, tau)
        distance = jnp.sum(((z - blend(p, q, tau)) / std) ** 2)
        volume = 2 * jnp.sum(jnp.log(q.std)) + 2 * weight * jnp.sum(jnp.log(p.std))
        return distance, volume, jnp.float32(z.size)

    def move(number):
        shift_key, own = jax.random.split(jax.random.fold_in(key, number))
        # The last entry is E_tau(x) itself, unmoved.
        shift = jax.random.uniform(shift_key, maxval=reach) * (number < groups * draws)
        rule = Moved(tau, number // draws, shift, own)
        kept = prior.visit(image, rule, collect, heard)
        return shift, *(jnp.stack(column) for column in zip(*kept, strict=True))

    numbers = jnp.arange(groups * draws + 1)
    shifts, distances, volumes, sizes = jax.lax.map(move, numbers)
    n, at = numbers[:-1], numbers[:-1] // draws
    change = volumes[n, at + 1] - volumes[-1, at + 1]
    found = {"shift": shifts[:-1], "distance": distances[n, at], "change": change}
    found["elements"] = sizes[-1, at]
    return {name: values.reshape(groups, draws) for name, values in found.items()}


def _share(rows) -> float:
    """How far B_(l+1) moves, as a share of A_l."""
    distance, change = (sum(abs(r[k]) for r in rows) for k in ("distance", "change"))
    return change / max(distance, 1e-30)


def _draw(path, rows, title: str) -> None:
    with charts.chart(path, 1, title) as (ax,):
        names = "distance", "change", "group"
        a, b, group = (np.array([row[name] for row in rows]) for name in names)
        points = ax.scatter(a, b, c=group, s=8, cmap="viridis")
        ax.figure.colorbar(points, ax=ax, label="group l")
        top = float(a.max())
        ax.plot([0, top], [0, top], "k--", linewidth=0.8, label="change = A")
        ax.plot([0, top], [0, -top], "k--", linewidth=0.8)
        charts.label(ax, "one point a draw", "A_l (nats x 2)", "change of B_(l+1)")
