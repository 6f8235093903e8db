"""One-level VAEs give what the released code gives, on tiny random networks."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.convert import from_state_dict, to_state_dict
from jaxrestore.nets.norm import MOMENTUM, batch_statistics

FORMS = ("vanilla", "fcb")
each = pytest.mark.parametrize("form", FORMS)


def network(stored, form):
    return from_state_dict(stored.starting(f"{form}/w/"), "conv_vae")


@each
def test_encoder_decoder_and_loss(golden, form):
    stored = golden("vae1l")
    prior, images = network(stored, form), jnp.asarray(stored.image("x"))
    noise = stored.arrays[f"{form}/eps"]
    dense = noise.ndim == 2
    noise = noise[:, None, None] if dense else np.moveaxis(noise, 1, -1)

    @jax.jit
    @jax.vmap
    def passed(image, noise):
        q = prior.skips(image)
        z = q.mean + q.std * noise
        return q, z, prior.at((z,), image.shape[:2])

    q, z, found = passed(images, noise)
    place = f"{form}/eval/"
    cut = (lambda a: a[:, 0, 0]) if dense else lambda a: a
    assert stored.close(place + "mu_z", cut(q.mean))
    assert stored.close(place + "logsd_z", cut(jnp.log(q.std)))
    assert stored.close(place + "z", cut(z))
    assert stored.close(place + "x_rec", found.mean)
    pixels = images.shape[0] * images.shape[1] * images.shape[2]
    scaled = (images - found.mean) / found.std
    nats = 0.5 * scaled**2 + jnp.log(found.std) + 0.91894
    assert stored.close(place + "gen_loss", nats.sum() / pixels)
    kl = 0.5 * (q.mean**2 + q.std**2 - 1) - jnp.log(q.std)
    assert stored.close(place + "latent_loss", kl.sum() / pixels)
    slope = (1 / found.std - (images - found.mean) ** 2 / found.std**3).sum() / pixels
    assert stored.close(place + "grad_gamma", slope[None])


@pytest.mark.slow
@each
def test_the_bound_is_the_released_loss(golden, form):
    stored = golden("vae1l")
    prior, images = network(stored, form), jnp.asarray(stored.image("x"))
    keys = jax.random.split(jax.random.key(0), 64)
    draw = jax.jit(lambda x, k: prior.elbo(x, k).nats_per_dim)
    drawn = jnp.stack([jax.lax.map(lambda k, x=x: draw(x, k), keys) for x in images])
    # Per pixel there, and by one draw.
    expected = stored.arrays[f"{form}/eval/total_loss"] / images.shape[-1]
    assert abs(drawn.mean() - expected) < 5 * drawn.std() + 1e-3 * abs(expected)


@each
def test_checkpoints_survive_both_ways(golden, form):
    weights = golden("vae1l").starting(f"{form}/w/")
    back = to_state_dict(from_state_dict(weights, "conv_vae"))
    for key, value in back.items():
        np.testing.assert_array_equal(value, weights[key], key)
    dropped = weights.keys() - back.keys()
    assert all(key.endswith(("tracked", "prior_scale")) for key in dropped)


@pytest.mark.slow
def test_training_takes_the_statistics_of_the_batch(golden):
    stored = golden("vae1l")
    prior, images = network(stored, "vanilla"), jnp.asarray(stored.image("x"))
    noise = np.moveaxis(stored.arrays["vanilla/eps"], 1, -1)
    pixels = images.shape[0] * images.shape[1] * images.shape[2]

    def loss(params):
        trained = replace(prior, params=params)

        def passed(image, noise):
            q = trained.skips(image)
            found = trained.at((q.mean + q.std * noise,), image.shape[:2])
            scaled = (image - found.mean) / found.std
            nats = jnp.sum(0.5 * scaled**2 + jnp.log(found.std) + 0.91894)
            kl = jnp.sum(0.5 * (q.mean**2 + q.std**2 - 1) - jnp.log(q.std))
            return nats, kl

        with batch_statistics("images"):
            nats, kl = jax.vmap(passed, axis_name="images")(images, noise)
        terms = {"gen_loss": nats.sum() / pixels, "latent_loss": kl.sum() / pixels}
        return sum(terms.values()), terms

    (total, terms), slopes = jax.jit(jax.value_and_grad(loss, has_aux=True))(
        prior.params
    )
    for name, value in (terms | {"total_loss": total}).items():
        assert stored.close(f"vanilla/train/{name}", value)
    theirs = to_state_dict(replace(prior, params=slopes))
    checked = [stored.close(f"vanilla/train/grad/{k}", v) for k, v in theirs.items()]
    assert sum(checked) == 3
    for name, after in stored.starting("vanilla/train/after/").items():
        before = stored.arrays[f"vanilla/w/{name}"]
        np.testing.assert_allclose(
            before - MOMENTUM * theirs[name], after, rtol=1e-4, atol=1e-6
        )
