"""Compressive autoencoders give what CompressAI gives, on tiny random networks."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.convert import from_state_dict, to_state_dict
from jaxrestore.nets.gdn import GDN, effective
from jaxrestore.parameters import flatten
from jaxrestore.priors import CAE
from jaxrestore.priors.cae import density
from jaxrestore.priors.cae.density import Boxed
from jaxrestore.training.recipes.cae import rate_distortion

CAES = ["cae_mbtmean", "cae_mbt", "cae_cheng"]  # the first in full folders alone
each = pytest.mark.parametrize("name", CAES)


def network(stored) -> CAE:
    prior = from_state_dict(stored.starting("w/"), "cae")
    config = stored.config
    assert prior.config.width == config["N"]
    assert prior.config.latents == config.get("M", config["N"])
    return replace(prior, rate=jnp.float32(config.get("rd_lambda", 0.01)))


def test_gdn(golden):
    stored = golden("gdn")
    weights = {k: jnp.asarray(v) for k, v in stored.starting("w/").items()}
    x, cotangent = (jnp.asarray(stored.image(n)) for n in ("x", "cotangent"))
    assert stored.close("beta_effective", effective(weights["beta"], 1e-6))
    assert stored.close("gamma_effective", effective(weights["gamma"], 0.0))
    for name, inverse in (("gdn", False), ("igdn", True)):
        layer = GDN(inverse)
        fresh = layer.init(jax.random.key(0), x)["params"]
        for part in ("beta", "gamma"):
            assert stored.close(f"init/{part}", fresh[part], 1e-6)
        run = lambda w, x, layer=layer: layer.apply({"params": w}, x)  # noqa: E731
        y, pull = jax.vjp(run, weights, x)
        assert stored.close(f"{name}/y", y)
        for_weights, for_x = pull(cotangent)
        assert stored.close(f"{name}/grad_x", for_x)
        for part in ("beta", "gamma"):
            assert stored.close(f"{name}/grad_{part}", for_weights[part])


@pytest.mark.parametrize(
    "name", [*CAES[:2], pytest.param(CAES[2], marks=pytest.mark.slow)]
)
def test_code_and_bits(golden, name):
    stored = golden(name)
    prior, met = network(stored), []
    for place in ("", "rect/"):
        if f"{place}x" not in stored.arrays:
            continue
        images = jnp.asarray(stored.image(f"{place}x"))
        h, z = jax.jit(jax.vmap(prior.encode))(images)
        met += [stored.close(f"{place}z", h), stored.close(f"{place}y", z)]
        modes = {"round": None}
        if f"{place or 'noise/'}u_z" in stored.arrays:
            modes["noise"] = _noise(stored, place)
        for mode, noise in modes.items():
            coded = jax.jit(jax.vmap(prior.code))(images, noise)
            _check(stored, f"{place}{mode}/", prior, images, coded)
    assert any(met)


def _noise(stored, place):
    where = place or "noise/"
    counted = f"{where}u_y_likelihood"
    if counted not in stored.arrays:
        counted = f"{where}u_y"
    return tuple(
        jnp.asarray(stored.image(n)) for n in (f"{where}u_z", f"{where}u_y", counted)
    )


def _check(stored, place, prior, images, coded):
    rate = prior.rate
    losses, bpp, mse = jax.vmap(rate_distortion, (0, 0, None))(images, coded, rate)
    checked = {
        "x_hat": coded.mean,
        "z_hat": coded.latents[0],
        "y_hat": coded.latents[1],
        "z_bits": coded.bits[:, 0],
        "y_bits": coded.bits[:, 1],
        "bpp": bpp.mean(),
        "mse": mse.mean() / 255**2,
        "rd_loss": losses.mean(),
        "elbo/gamma": prior.decoder_std(),
        "elbo/neg_elbo_nats_per_image": _neg_elbo(prior, images, coded),
    }
    found = [stored.close(place + name, value) for name, value in checked.items()]
    assert sum(found) >= len(found) - 1


def _neg_elbo(prior, images, coded):
    """-log p(x | z) - log p(z, h) in nats; q's entropy is 0."""
    gamma = prior.decoder_std()
    squares = jnp.square(images - coded.mean).sum((1, 2, 3)) / (2 * gamma**2)
    constant = images[0].size / 2 * jnp.log(2 * jnp.pi * gamma**2)
    return squares + constant + jnp.log(2.0) * coded.bits.sum(1)


@pytest.mark.parametrize("name", CAES[:2])
def test_densities(golden, name):
    stored = golden(name)
    params = network(stored).params["density"]
    channels = params["quantiles"].shape[0]
    values = jnp.broadcast_to(stored.arrays["eb/v"][:, None], (97, channels))
    assert stored.close("eb/logits", density.logits(params, values).T)
    assert stored.close("eb/likelihood", density.mass(params, values).T)
    assert stored.close("eb/aux_loss", density.quantile_loss(params))
    names = ("value", "scale", "mean")
    cases = tuple(jnp.asarray(stored.arrays[f"gc/{n}"]) for n in names)

    def weighted(value, scale, mean):
        mass = Boxed(mean, scale).mass(value)
        return jnp.sum(stored.arrays["gc/cotangent"] * jnp.log(mass)), mass

    slopes, mass = jax.grad(weighted, (0, 1, 2), has_aux=True)(*cases)
    assert stored.close("gc/likelihood", mass)
    for slope, part in zip(slopes, names, strict=True):
        assert stored.close(f"gc/grad_{part}", slope)


@pytest.mark.slow
@pytest.mark.parametrize("name", CAES[:2])
def test_gradient_of_the_loss(golden, name):
    stored = golden(name)
    prior = network(stored)
    images, noise = jnp.asarray(stored.image("x")), _noise(stored, "")

    def loss(params):
        other = CAE(params, prior.config, prior.rate)
        coded = jax.vmap(other.code)(images, noise)
        return jax.vmap(rate_distortion, (0, 0, None))(images, coded, prior.rate)[
            0
        ].mean()

    slopes = jax.jit(jax.grad(loss))(prior.params)
    theirs = to_state_dict(CAE(slopes, prior.config))
    checked = [
        stored.close(f"grad/{name}", slope)
        for name, slope in theirs.items()
        if not name.startswith("context_prediction.weight")
    ]
    assert sum(checked) > 30


@each
def test_checkpoints_survive_both_ways(golden, name):
    weights = golden(name).starting("w/")
    prior = from_state_dict(weights, "cae")
    back = to_state_dict(prior)
    for key, value in back.items():
        np.testing.assert_array_equal(value, weights[key], key)
    assert len(flatten(prior.params)) == len(back)
    dropped = weights.keys() - back.keys()
    assert dropped <= {"context_prediction.mask", "gaussian_conditional.scale_bound"}
