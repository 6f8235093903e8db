"""A flow learns a density in the plane, by the steps that Glow stacks.

    python examples/flow_in_the_plane.py [--steps=3000] [--out=plane.png]

Points lie near a circle: angle uniform, distance from the origin N(1, 0.15^2), but
denser where it is right. Affine couplings, 1x1 maps of two channels. Prints the mass of
the learned density on a fine grid (it is 1 by construction, if the log-determinants are
right) and its Kullback-Leibler divergence from the true one in nats, and draws both.
"""

import argparse

import jax
import jax.numpy as jnp
import optax
from matplotlib.figure import Figure

from jaxrestore.nets import flow_steps
from jaxrestore.nets.flow import CouplingNet
from jaxrestore.nets.flow_steps import Coupling
from jaxrestore.priors.flow import steps

DEPTH, WIDTH, BATCH, SPREAD = 16, 64, 512, 0.15
COUPLING = Coupling("affine", CouplingNet(WIDTH, 2))
LINE = jnp.linspace(-3, 3, 241)


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--out", default="plane.png")
    flags = parser.parse_args()
    params = train(jax.random.key(0), flags.steps)
    report = measure(params)
    print(f"mass {report['mass']:.4f}, divergence {report['divergence']:.4f} nats")
    picture(params, flags.out)
    print(f"wrote {flags.out}")


def draw(key: jax.Array) -> jax.Array:
    """Points, (BATCH, 2): the angle's density is (1 + cos) / (2 pi)."""
    keys = jax.random.split(key, 3)
    grid = jnp.linspace(0, 2 * jnp.pi, 1000)
    share = (grid + jnp.sin(grid)) / (2 * jnp.pi)
    angle = jnp.interp(jax.random.uniform(keys[0], (BATCH,)), share, grid)
    radius = 1 + SPREAD * jax.random.normal(keys[1], (BATCH,))
    return radius[:, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], -1)


def true_log_density(points: jax.Array) -> jax.Array:
    """Of what `draw` draws, (N, 2) -> (N,)."""
    radius = jnp.linalg.norm(points, axis=-1)
    angle = jnp.arctan2(points[:, 1], points[:, 0])
    along = jnp.log1p(jnp.cos(angle)) - jnp.log(2 * jnp.pi) - jnp.log(radius)
    across = -0.5 * ((radius - 1) / SPREAD) ** 2
    return along + across - jnp.log(SPREAD * jnp.sqrt(2 * jnp.pi))


def init(key: jax.Array) -> dict:
    """Stacked steps that whiten a first batch."""
    net_key, mixing_key, batch_key = jax.random.split(key, 3)
    half = jnp.zeros((1, 1, 1, 1))

    def net(key):
        return COUPLING.network.init(key, half)["params"]

    one = jnp.ones((DEPTH, 2))
    fresh = {
        "actnorm": {"loc": 0 * one, "scale": one},
        "mixing": {"matrix": jax.random.orthogonal(mixing_key, 2, (DEPTH,))},
        "net": jax.vmap(net)(jax.random.split(net_key, DEPTH)),
    }
    return steps.set_actnorm(fresh, COUPLING, draw(batch_key)[:, None, None])[0]


def log_density(params: dict, points: jax.Array) -> jax.Array:
    """log p of the flow, (N, 2) -> (N,)."""
    linear, log_det = steps.prepared(params)
    z, of_couplings = flow_steps.encode(COUPLING, linear, points[:, None, None])
    normal = -0.5 * jnp.sum(z**2, (1, 2, 3)) - jnp.log(2 * jnp.pi)
    return normal + of_couplings + log_det.sum()


def train(key: jax.Array, count: int) -> dict:
    """Maximum likelihood by Adam."""
    optimizer = optax.adam(optax.cosine_decay_schedule(2e-3, count))
    params = jax.jit(init)(key)

    @jax.jit
    def update(params, state, key):
        loss = lambda p: -log_density(p, draw(key)).mean()  # noqa: E731
        updates, state = optimizer.update(jax.grad(loss)(params), state)
        return optax.apply_updates(params, updates), state

    state = optimizer.init(params)
    for step in range(count):
        params, state = update(params, state, jax.random.fold_in(key, step))
    return params


def measure(params: dict) -> dict[str, float]:
    """Mass of the density on the grid, and KL(truth || flow)."""
    learned, cell = on_grid(params), float(LINE[1] - LINE[0]) ** 2
    truth = true_log_density(_grid())
    gap = jnp.where(truth > -50, jnp.exp(truth) * (truth - learned), 0.0)
    mass = float(jnp.exp(learned).sum()) * cell
    return {"mass": mass, "divergence": float(jnp.nansum(gap)) * cell}


def on_grid(params: dict) -> jax.Array:
    """log p of the flow at the points of the grid."""
    return jax.jit(log_density)(params, _grid())


def _grid() -> jax.Array:
    return jnp.stack(jnp.meshgrid(LINE, LINE), -1).reshape(-1, 2)


def picture(params: dict, path) -> None:
    """The true density beside the learned one, with points."""
    figure = Figure(figsize=(9, 4.2))
    points = draw(jax.random.key(9))
    densities = {"truth": true_log_density(_grid()), "flow": on_grid(params)}
    side = len(LINE)
    for i, (name, values) in enumerate(densities.items()):
        ax = figure.add_subplot(1, 2, i + 1)
        shown = jnp.exp(values).reshape(side, side)
        ax.pcolormesh(LINE, LINE, shown, cmap="magma", rasterized=True)
        ax.plot(*points[:150].T, ".", color="white", markersize=1.5)
        ax.set(title=name, aspect="equal", xlim=(-1.8, 1.8), ylim=(-1.8, 1.8))
    figure.savefig(path, dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    main()
