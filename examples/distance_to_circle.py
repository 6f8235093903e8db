"""Figure 3.2 of the thesis: in the plane, the critic learns the distance to a circle.

    python examples/distance_to_circle.py [--steps=4000] [--out=circle.png]

Clean points lie on a circle of radius R = 1, degraded ones are circle points moved by
Gaussian noise. The criterion is the one that patch critics are trained with; here a
dense critic minimises it. The best critic of slope one is r(z) = | |z| - R | + const,
where points of both kinds lie. Prints how far the learned one is from that, over the
support of the training points: the mean absolute error (after the best constant) and
the mean slope and its deviation.
"""

import argparse
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure

from jaxrestore.training.recipes.adversarial import criterion, slope

RADIUS, NOISE, BATCH, WIDTH, PENALTY = 1.0, 0.4, 256, 128, 5.0
# Distances to the circle within which four fifths of the degraded points lie.
SUPPORT = 1.28 * NOISE


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--out", default="circle.png")
    flags = parser.parse_args()
    params = train(jax.random.key(0), flags.steps)
    report = measure(params)
    print(
        f"mean absolute error {report['error']:.4f} R, slope {report['slope']:.3f}"
        f" on average, {report['slope_error']:.3f} off 1 on average, at distances up to"
        f" {SUPPORT:.2f} R from the circle"
    )
    picture(params, flags.out, jax.random.key(1))
    print(f"wrote {flags.out}")


def score(params, points: jax.Array) -> jax.Array:
    """A dense critic with two hidden layers, (N, 2) -> (N,)."""
    x = points
    for i, (kernel, bias) in enumerate(params):
        x = x @ kernel + bias
        if i < len(params) - 1:
            x = jax.nn.relu(x)
    return x[:, 0]


def draw(key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Clean and degraded points, (BATCH, 2) each, unpaired."""
    angle_key, noise_key = jax.random.split(key)
    angle = jax.random.uniform(angle_key, (2, BATCH), maxval=2 * jnp.pi)
    circle = RADIUS * jnp.stack([jnp.cos(angle), jnp.sin(angle)], -1)
    return circle[0], circle[1] + NOISE * jax.random.normal(noise_key, (BATCH, 2))


def train(key: jax.Array, steps: int):
    """Parameters after Adam with a falling learning rate."""
    init_key, data_key = jax.random.split(key)
    params, sizes = [], (2, WIDTH, WIDTH, WIDTH, 1)
    for i, shape in enumerate(zip(sizes, sizes[1:], strict=False)):
        kernel = jax.random.normal(jax.random.fold_in(init_key, i), shape)
        params.append((kernel * (2 / shape[0]) ** 0.5, jnp.zeros(shape[1])))
    optimizer = optax.adam(optax.exponential_decay(3e-3, steps, 0.01))

    def loss(params, key):
        points_key, alpha_key = jax.random.split(key)
        alpha = jax.random.uniform(alpha_key, (BATCH,))
        clean, degraded = draw(points_key)
        by = functools.partial(score, params)
        return criterion(by, clean, degraded, alpha, PENALTY).loss

    def step(i, carry):
        params, state = carry
        gradient = jax.grad(loss)(params, jax.random.fold_in(data_key, i))
        update, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, update), state

    run = jax.jit(lambda *carry: jax.lax.fori_loop(0, steps, step, carry))
    return run(params, optimizer.init(params))[0]


def measure(params) -> dict[str, float]:
    """Error against the distance, and slopes, on a ring of points around the circle."""
    radii = RADIUS + np.linspace(-SUPPORT, SUPPORT, 101)
    angles = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    directions = np.stack([np.cos(angles), np.sin(angles)], -1)
    points = jnp.asarray(radii[:, None, None] * directions).reshape(-1, 2)
    distance = np.repeat(np.abs(radii - RADIUS), len(angles))
    by = functools.partial(score, params)
    gap = np.asarray(by(points)) - distance
    slopes = np.asarray(slope(by, points))
    return {
        "error": float(np.abs(gap - np.median(gap)).mean() / RADIUS),
        "slope": float(slopes.mean()),
        "slope_error": float(np.abs(slopes - 1).mean()),
    }


def picture(params, path: str, key: jax.Array) -> None:
    """Level lines of the critic with points and descent directions; a radial cut."""
    axis = np.linspace(-2, 2, 161)
    grid = jnp.asarray(np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2))
    values = np.asarray(score(params, grid)).reshape(161, 161)
    values = values - values.min()
    clean, degraded = map(np.asarray, draw(key))
    figure = Figure((9.5, 4.2), layout="constrained", dpi=100)
    left, right = figure.subplots(1, 2)
    shown = left.contourf(axis, axis, values, 24, cmap="viridis")
    figure.colorbar(shown, ax=left, label="r(z) - min r")
    left.plot(*degraded.T, ".", color="white", markersize=2)
    left.plot(*clean.T, ".", color="#e8590c", markersize=3)
    down = -np.asarray(
        jax.grad(lambda z: score(params, z).sum())(jnp.asarray(degraded))
    )
    left.quiver(*degraded[::4].T, *down[::4].T, color="white", width=3e-3, scale=20)
    left.set(xlim=(-2, 2), ylim=(-2, 2), aspect="equal")
    left.set_title("critic, points, descent directions", fontsize=10)
    radii = np.linspace(0, 2, 201)
    for angle in np.linspace(0, 2 * np.pi, 8, endpoint=False):
        line = jnp.asarray(radii[:, None] * [np.cos(angle), np.sin(angle)])
        cut = np.asarray(score(params, line))
        cut = cut - cut[np.argmin(np.abs(radii - RADIUS))]
        right.plot(radii, cut, color="#1c5d99", linewidth=0.8)
    right.plot(
        radii, np.abs(radii - RADIUS), "--", color="#e8590c", label="| |z| - R |"
    )
    right.axvspan(RADIUS - SUPPORT, RADIUS + SUPPORT, alpha=0.1, label="measured on")
    right.set(xlabel="|z|", ylabel="r(z) - r on the circle")
    right.set_title("along eight radii", fontsize=10)
    right.legend(fontsize=8, frameon=False)
    figure.savefig(path)


if __name__ == "__main__":
    main()
