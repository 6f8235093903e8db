"""Figure 4.2 of the thesis: a variational autoencoder learns a spiral in the plane.

    python examples/vae_on_a_spiral.py [--steps=6000] [--out=spiral.png]

Points lie on a spiral, moved by Gaussian noise. Encoder and decoder are dense networks,
q(z | x) = N(m(x), diag s(x)^2) and p(x | z) = N(mu(z), g^2 I) with z in the plane.
Prints how far decoder means of draws z ~ N(0, I) lie from the spiral, beside the same
of data points, and how far the mean evidence bound stays below its top, minus the
entropy of the points (thesis, 4.15 and 4.16): the divergence that is left, in nats.
"""

import argparse
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure

from jaxrestore.priors.hvae.gaussian import Gaussian

NOISE, BATCH, WIDTH, LATENT = 0.05, 256, 64, 2
CURVE = 2000  # points of the curve that distances and densities are taken to


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--out", default="spiral.png")
    flags = parser.parse_args()
    params = train(jax.random.key(0), flags.steps)
    report = measure(params, jax.random.key(1))
    print(
        f"mean distance from the spiral: draws {report['drawn']:.3f}, data"
        f" {report['data']:.3f}; the bound is {report['divergence']:.3f} nats below"
        f" minus the entropy; decoder deviation {report['std']:.3f}"
    )
    picture(params, flags.out, jax.random.key(2))


def spiral(share):
    """The curve, share in [0, 1]: (..., 2)."""
    angle = 3 * jnp.pi * jnp.sqrt(share)
    radius = angle / (3 * jnp.pi)
    return jnp.stack([radius * jnp.cos(angle), radius * jnp.sin(angle)], -1)


def points(key, count):
    """Data: (count, 2)."""
    place, noise = jax.random.split(key)
    on = spiral(jax.random.uniform(place, (count,)))
    return on + NOISE * jax.random.normal(noise, on.shape)


def dense(params, x):
    for weight, bias in params[:-1]:
        x = jnp.tanh(x @ weight + bias)
    return x @ params[-1][0] + params[-1][1]


def fresh(key, sizes):
    keys = jax.random.split(key, len(sizes) - 1)
    pairs = zip(keys, sizes[:-1], sizes[1:], strict=True)
    return [(jax.random.normal(k, (a, b)) / a**0.5, jnp.zeros(b)) for k, a, b in pairs]


def encoded(params, x):
    mean, log_std = jnp.split(dense(params["encoder"], x), 2, -1)
    return Gaussian(mean, jnp.exp(log_std))


def decoded(params, z):
    mean = dense(params["decoder"], z)
    return Gaussian(mean, jnp.full_like(mean, jnp.exp(params["log_std"])))


def bound(params, x, key):
    """The evidence lower bound of one point, by one draw."""
    posterior = encoded(params, x)
    prior = Gaussian(jnp.zeros(LATENT), jnp.ones(LATENT))
    z = posterior.sample(key)
    return decoded(params, z).log_prob(x) - prior.kl_from(posterior)


def bounds(params, x, key):
    keys = jax.random.split(key, len(x))
    return jax.vmap(bound, (None, 0, 0))(params, x, keys)


@functools.partial(jax.jit, static_argnums=1)
def train(key, steps):
    """Maximises the mean bound by Adam."""
    keys = jax.random.split(key, 3)
    params = {
        "encoder": fresh(keys[0], (2, WIDTH, WIDTH, 2 * LATENT)),
        "decoder": fresh(keys[1], (LATENT, WIDTH, WIDTH, 2)),
        "log_std": jnp.log(0.3),
    }
    adam = optax.adam(optax.cosine_decay_schedule(3e-3, steps, 0.01))

    def step(carry, key):
        params, moments = carry
        data_key, latent_key = jax.random.split(key)
        x = points(data_key, BATCH)
        slope = jax.grad(lambda p: -bounds(p, x, latent_key).mean())(params)
        updates, moments = adam.update(slope, moments)
        return (optax.apply_updates(params, updates), moments), None

    carry, _ = jax.lax.scan(
        step, (params, adam.init(params)), jax.random.split(keys[2], steps)
    )
    return carry[0]


def measure(params, key):
    """Distances from the curve, and what the bound lacks."""
    data_key, draw_key, latent_key = jax.random.split(key, 3)
    x, z = points(data_key, 4000), jax.random.normal(draw_key, (4000, LATENT))
    curve = spiral(jnp.linspace(0, 1, CURVE))

    def squared(x):
        return jnp.sum((x - curve) ** 2, -1)

    def log_density(x):
        """Of the data: the mean over the curve of N(x; curve, NOISE^2 I)."""
        normal = -squared(x) / (2 * NOISE**2) - jnp.log(2 * jnp.pi * NOISE**2)
        return jax.nn.logsumexp(normal) - jnp.log(CURVE)

    def distance(x):
        return float(jnp.sqrt(jax.lax.map(lambda x: squared(x).min(), x)).mean())

    top = jax.lax.map(log_density, x).mean()
    return {
        "drawn": distance(decoded(params, z).mean),
        "data": distance(x),
        "divergence": float(top - bounds(params, x, latent_key).mean()),
        "std": float(jnp.exp(params["log_std"])),
    }


def picture(params, path, key):
    """Data with its latents, and draws of the model, with the curve."""
    data_key, draw_key, pixel_key = jax.random.split(key, 3)
    share = jax.random.uniform(data_key, (1500,))
    x = spiral(share) + NOISE * jax.random.normal(pixel_key, (1500, 2))
    z = encoded(params, x).mean
    drawn = decoded(params, jax.random.normal(draw_key, (1500, LATENT)))
    seen = drawn.sample(pixel_key)
    figure = Figure((9, 3.2), layout="constrained", dpi=120)
    panels = [(x, "data"), (z, "encoder's means"), (seen, "draws of the model")]
    for ax, (values, title) in zip(figure.subplots(1, 3), panels, strict=True):
        colour = {} if values is seen else {"c": np.asarray(share), "cmap": "viridis"}
        ax.scatter(*np.asarray(values).T, s=3, **colour)
        ax.set_title(title, fontsize=9)
        ax.set_aspect("equal")
    figure.savefig(path)


if __name__ == "__main__":
    main()
