"""VBLE and VBLE-xz follow the authors' code, with its recorded noise."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.convert import from_state_dict
from jaxrestore.priors import CAE
from jaxrestore.solvers import VBLE, VBLEXZ
from jaxrestore.solvers.method import Problem
from jaxrestore.solvers.vble_point import Noise, Point
from tests.parity.operators import operator
from tests.solvers.problems import gaussian

NAMES = ("vble_mbtmean_deblur", "vble_mbtmean_sisr", "vble_mbt_inpainting")
NAMES = (*NAMES, "vble_vae_deblur")
SHARED = ("vblexz_mbtmean", "vblexz_vae")
OTHERS = ("n3", "dirac", "zonly")
each = pytest.mark.parametrize("name", NAMES)


def prior_of(stored):
    """With the second decoder where there is one."""
    weights, second = stored.starting("w/"), stored.starting("w_sigma/")
    if stored.config["kind"] == "vae":
        return from_state_dict(
            weights | {f"sigma.{k}": v for k, v in second.items()}, "conv_vae"
        )
    channels = weights["h_a.4.weight"].shape[
        0
    ]  # medians play no part, and are left out
    weights["entropy_bottleneck.quantiles"] = np.zeros((channels, 1, 3), np.float32)
    prior = from_state_dict(weights, "cae")
    if not second:
        return prior
    whole = weights | {k: v for k, v in second.items() if k.startswith("g_s.")}
    deviation = from_state_dict(whole, "cae").params["synthesis"]
    config = replace(prior.config, deviation=True)
    return CAE(prior.params | {"deviation": deviation}, config)


def setting_of(stored, kind, **more):
    """The method and what it is asked."""
    config, arrays = stored.config, stored.arrays
    size = config["H"], config["W"]
    sigma = config["sigma"] / 255 or 4e-3
    seen = operator(config["problem"], arrays, size, config.get("scale_factor", 0))
    observation = gaussian(jnp.asarray(stored.image("y")[0]), seen, jnp.float32(sigma))
    start = jnp.asarray(stored.image("xinit")[0])
    method = kind(
        prior_of(stored),
        weight=jnp.float32(arrays["lamb"]),
        learning_rate=jnp.float32(config["lr"]),
        clip_norm=jnp.float32(20),
        **more,
    )
    return method, Problem(observation, start, config["iters"], jax.random.key(0))


def arrays_of(stored, pattern, groups, at=None):
    """One array for each group, of the file's names for them."""
    names = [pattern.format(group) for group in groups]
    if any(name not in stored.arrays for name in names):
        return None
    values = [jnp.asarray(stored.image(name)) for name in names]
    return tuple(v if at is None else v[at] for v in values)


def names_of(stored):
    """The file's letters for the latent groups, the coarsest first."""
    return ("z",) if stored.config["kind"] == "vae" else ("h", "z")


def point_of(stored, place, groups, at=0, spread=True):
    mean = arrays_of(stored, place + "{}bar", groups, at)
    widths = arrays_of(stored, place + "a{}", groups, at) if spread else ()
    return Point(mean, widths)


def noise_of(stored, place, groups, at=None):
    noise = arrays_of(stored, place + "u_{}", groups, at)
    if stored.config["latent_inference_model"] == "uniform":
        noise = tuple(u - 0.5 for u in noise)
    return noise


@each
@pytest.mark.parametrize(
    "mode", ["n1", *[pytest.param(m, marks=pytest.mark.slow) for m in OTHERS]]
)
def test_objective_and_gradients(golden, name, mode):
    stored = golden(name)
    if mode == "zonly" and stored.config["kind"] == "vae":
        pytest.skip("a VAE has one group")
    groups = ("z",) if mode == "zonly" else names_of(stored)
    more = {"family": "dirac"} if mode == "dirac" else {"hyper": mode != "zonly"}
    method, problem = setting_of(stored, VBLE, **more)
    spread = mode != "dirac"
    point = point_of(stored, "point/", groups, spread=spread)
    if spread:
        noise = noise_of(stored, f"point/{mode}/", groups)
    else:
        noise = tuple(m[None] for m in point.mean)

    def value(point):
        terms = method.terms(problem, point, Noise(noise))
        return terms.misfit + method.weight * terms.divergence, terms

    (loss, terms), slope = jax.jit(jax.value_and_grad(value, has_aux=True))(point)
    place = f"point/{mode}/"
    kl = terms.divergence
    assert stored.close(place + "datafit", terms.misfit)
    assert stored.close(place + "kl", kl)
    assert stored.close(place + "loss", loss)
    stored.close(place + "x_rec", terms.image[None])
    for group, for_mean in zip(groups, slope.mean, strict=True):
        assert stored.close(f"{place}grad_{group}bar", for_mean[None])
    for group, for_width in zip(groups, slope.log_width, strict=False):
        assert stored.close(f"{place}grad_a{group}", for_width[None])


@pytest.mark.slow
@each
def test_ten_steps(golden, name):
    stored = golden(name)
    groups = names_of(stored)
    method, problem = setting_of(stored, VBLE)
    state = jax.jit(partial(method.init, problem))()
    for group, own in zip(groups, state.point.mean, strict=True):
        if group == "z":
            assert stored.close("start", own) or np.allclose(
                own, stored.image("traj/zbar")[0], rtol=1e-4, atol=1e-4
            )
    state = state._replace(point=point_of(stored, "traj/", groups))
    update = jax.jit(partial(method.update, problem))
    for k in range(stored.config["iters"]):
        noise = noise_of(stored, "traj/", groups, slice(k, k + 1))
        state = update(state, Noise(noise))
        np.testing.assert_allclose(state.value, stored.arrays["traj/loss"][k], 1e-4)
    for group, mean, width in zip(
        groups, state.point.mean, state.point.log_width, strict=True
    ):
        for own, theirs in ((mean, f"traj/{group}bar"), (width, f"traj/a{group}")):
            last = stored.image(theirs)[-1]
            np.testing.assert_allclose(own, last, atol=1e-4 * np.abs(last).max() + 1e-5)
    found = jax.jit(partial(method.found, problem, steps=10))(state)
    stored.close("post/x_mmse_z", found.mean[None])
    _check_draws(stored, method, problem, state.point, groups)


def _check_draws(stored, method, problem, point, groups):
    draws = arrays_of(stored, "post/u_{}", groups)
    if draws is None:
        return
    noise = noise_of(stored, "post/", groups)

    @jax.jit
    def draw(u):
        one = Noise(tuple(v[None] for v in u))
        return method.terms(problem, point, one).image

    images = np.asarray(jax.lax.map(draw, noise))
    assert stored.close("post/x_mmse_x", images.mean(0)[None])
    stored.close("post/x_std", images.std(0, ddof=1)[None])
    stored.close("post/x_samples_first2", images[:2])


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("fixed", [False, True])
def test_objective_and_gradients_with_the_image(golden, name, fixed):
    stored = golden(name)
    groups = names_of(stored)
    method, problem = setting_of(stored, VBLEXZ, fixed_deviation=fixed)
    point = point_of(stored, "point/", groups)
    point = point._replace(log_share=jnp.asarray(stored.image("point/logb")[0]))
    image = jnp.asarray(stored.image("point/eps_x"), jnp.float32)[None]
    noise = Noise(noise_of(stored, "point/", groups), image)

    def value(point):
        terms = method.terms(problem, point, noise)
        return terms.misfit + method.weight * terms.divergence, terms

    (loss, terms), slope = jax.jit(jax.value_and_grad(value, has_aux=True))(point)
    arrays = stored.arrays
    both = arrays["point/kl_z"] + arrays["point/kl_x"]
    np.testing.assert_allclose(terms.divergence, both, rtol=1e-4)
    assert stored.close("point/datafit", terms.misfit)
    assert stored.close("point/loss", loss)
    stored.close("point/x", terms.image[None])
    place = "point/stopgrad/" if fixed else "point/"
    for group, for_mean in zip(groups, slope.mean, strict=True):
        assert stored.close(f"{place}grad_{group}bar", for_mean[None])
    for group, for_width in zip(groups, slope.log_width, strict=True):
        assert stored.close(f"{place}grad_a{group}", for_width[None])
    assert stored.close(f"{place}grad_logb", slope.log_share[None])


@pytest.mark.slow
@pytest.mark.parametrize("name", SHARED)
def test_ten_steps_with_the_image(golden, name):
    stored = golden(name)
    groups = names_of(stored)
    method, problem = setting_of(stored, VBLEXZ, fixed_deviation=False)
    state = jax.jit(partial(method.init, problem))()
    state = state._replace(
        point=point_of(stored, "traj/", groups)._replace(
            log_share=state.point.log_share
        )
    )
    update = jax.jit(partial(method.update, problem))
    draws = jnp.asarray(stored.image("traj/eps_x"), jnp.float32)
    for k in range(stored.config["iters"]):
        noise = noise_of(stored, "traj/", groups, slice(k, k + 1))
        state = update(state, Noise(noise, draws[k : k + 1]))
        np.testing.assert_allclose(state.value, stored.arrays["traj/loss"][k], 1e-4)
    assert stored.close("traj/logb_last", state.point.log_share[None], 5e-4)
    for group, mean in zip(groups, state.point.mean, strict=True):
        last = stored.image(f"traj/{group}bar")[-1]
        np.testing.assert_allclose(mean, last, atol=5e-4 * np.abs(last).max())
