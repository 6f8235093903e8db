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

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore.evaluation.inputs import hierarchical_prior, test_images
from jaxrestore.evaluation.tables import grouped, markdown
from jaxrestore.experiments.settings import Config as Base
from jaxrestore.experiments.settings import defaults, level, tau
from jaxrestore.priors.hvae.gaussian import blend, tempered
from jaxrestore.report import charts
from jaxrestore.settings import count, number, setting

QUICK = {"max_images": 1, "crop": 16, "draws": 2}


@defaults(max_images=4, crop=64)
@dataclass(frozen=True)
class Config(Base):
    temperature: float = setting(0.8, tau, "tau")
    reach: float = setting(2.0, number(0), "largest t, in deviations")
    draws: int = setting(8, count(), "for each image and group")
    noise: float = setting(0.0, level(zero=True), "added to the images, of 255")


def run(config: Config, report) -> None:
    """Measure, draw, tabulate."""
    prior = hierarchical_prior(config.prior, "volume", groups=2)
    images, tau, rows = test_images(prior, config), config.temperature, []
    root = jax.random.key(config.seed)
    bar = tqdm(images.items(), desc="images", disable=None)
    for i, (name, clean) in enumerate(bar):
        noise_key, move_key = jax.random.split(jax.random.fold_in(root, i))
        seen = clean + config.noise * jax.random.normal(noise_key, clean.shape)
        told = tau, move_key, config.noise, config.reach
        moved = measure(prior, seen, *told, draws=config.draws)
        rows += _rows(name, jax.device_get(moved))
        report.rows(rows)
    _draw(report.picture, rows, f"{config.prior}, tau = {tau:g}")
    caption = f"{len(images)} images, {config.draws} draws a group, tau = {tau:g}"
    report.table(_table(rows, caption), {"groups": prior.num_groups})


class Moves(NamedTuple):
    """One entry for each group l = 0 ... L - 2 and draw.

    Attributes:
        shift: t, in standard deviations.
        distance: A_l.
        change: B_(l+1) minus its value at E_tau(x), nats.
        elements: number of elements of z_l.
    """

    shift: jax.Array
    distance: jax.Array
    change: jax.Array
    elements: jax.Array


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
def measure(prior, image, tau, key, heard=None, reach=2.0, *, draws: int) -> Moves:
    """Moves every group but the last `draws` times; leaves (L - 1, draws).

    Args:
        prior: a hierarchical VAE with L >= 2 groups.
        image: (H, W, C) in [0, 1].
        tau: temperature, a scalar in (0, 1].
        key: of directions and shifts.
        heard: noise level that the encoder is told, or None.
        reach: largest shift, in standard deviations.
        draws: static.
    """
    tau = jnp.asarray(tau, jnp.float32)

    def collect(z, p, q):
        weight, std = tempered(p, q, tau)
        distance = jnp.sum(((z - blend(p, q, tau)) / std) ** 2)
        volume = 2 * jnp.sum(jnp.log(q.std)) + 2 * weight * jnp.sum(jnp.log(p.std))
        return distance, volume, jnp.float32(z.size)

    def visit(group, shift, key):
        rule = Moved(tau, group, shift, key)
        kept = prior.visit(image, rule, collect, heard)
        return tuple(jnp.stack(column) for column in zip(*kept, strict=True))

    def move(number):
        group = number // draws
        shift_key, key_ = jax.random.split(jax.random.fold_in(key, number))
        shift = jax.random.uniform(shift_key, maxval=reach)
        shift = jnp.where(number < groups * draws, shift, 0.0)
        distances, volumes, sizes = visit(group, shift, key_)
        return shift, distances, volumes, sizes

    # The last entry is E_tau(x) itself, unmoved.
    groups = prior.num_groups - 1
    numbers = jnp.arange(groups * draws + 1)
    shifts, distances, volumes, sizes = jax.lax.map(move, numbers)
    at = jnp.minimum(numbers // draws, groups - 1)[:-1]
    change = volumes[numbers[:-1], at + 1] - volumes[-1, at + 1]
    columns = shifts[:-1], distances[numbers[:-1], at], change, sizes[-1, at]
    return Moves(*(column.reshape(groups, draws) for column in columns))


def _rows(name: str, moves: Moves) -> list[dict]:
    return [
        {
            "image": name,
            "group": group,
            **{k: float(v[group, i]) for k, v in moves._asdict().items()},
        }
        for group, i in np.ndindex(moves.shift.shape)
    ]


def _table(rows, caption: str) -> str:
    body = []
    for (group,), own in sorted(grouped(rows, "group").items()):
        a, b = (np.array([row[k] for row in own]) for k in ("distance", "change"))
        ratio = np.abs(b).sum() / max(a.sum(), 1e-30)
        numbers = a.mean(), np.abs(b).mean(), ratio
        body.append(
            [group, f"{own[0]['elements']:.0f}", *(f"{n:.3g}" for n in numbers)]
        )
    shares = [float(line[-1]) for line in body]
    head = ["l", "elements", "mean A_l", "mean change of B_(l+1)", "their ratio"]
    largest = f"largest ratio {max(shares):.3g}, median {np.median(shares):.3g}"
    return f"{caption}; {largest}\n\n{markdown(head, body)}"


def _draw(path, rows, title: str) -> None:
    with charts.chart(path, 1, title) as (ax,):
        a, b, group = (
            np.array([r[k] for r in rows]) for k in ("distance", "change", "group")
        )
        points = ax.scatter(a, b, c=group, s=8, cmap="viridis")
        ax.figure.colorbar(points, ax=ax, label="group l")
        top = float(a.max())
        ax.plot([0, top], [0, top], "k--", linewidth=0.8, label="change = A")
        ax.plot([0, top], [0, -top], "k--", linewidth=0.8)
        charts.label(ax, "one point a draw", "A_l (nats x 2)", "change of B_(l+1)")
