"""Laws that every solver of the registry obeys."""

import functools
import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.operators import Blur
from jaxrestore.priors import VDVAE, GlowConfig, SmoothedTV
from jaxrestore.settings import settings_of
from jaxrestore.solvers import (
    SOLVERS,
    Method,
    PnPHVAE,
    Select,
    Status,
    Stopping,
    create,
    restore,
    sample,
)
from tests.contracts.cases import rows
from tests.priors.random_weights import random_glow, random_prior
from tests.priors.test_lowres import SMALL, make_encoder
from tests.solvers.problems import KERNEL, SHAPE, gaussian, observations, prior

# Settings beside the defaults, and others of the same structure.
SETTINGS = {
    "pnp_hvae": ({"decoder_std": 0.2}, {"temperature": 0.5, "decoder_std": 0.1}),
    "joint_map": ({}, {"temperature": 0.5, "learning_rate": 0.02}),
    "jpmap": ({"descent_steps": 5}, {"descent_rate": 0.02, "descent_steps": 5}),
    "csgm": ({}, {"learning_rate": 0.02}),
    "variational": ({}, {"weight": 0.3, "learning_rate": 0.05}),
    "vble": ({}, {"weight": 0.5, "learning_rate": 0.05}),
    "vble_xz": ({}, {"weight": 0.5, "clip_norm": 1.0}),
    "tv": ({}, {"weight": 3.0}),
    "diverse_sr": ({}, {"temperature": 0.5}),
    "gibbs": ({}, {"temperature": 0.7, "decoder_std": None}),
    "synthesis": ({}, {"weight": 0.3, "learning_rate": 0.05}),
    "analysis": ({}, {"weight": 0.3, "learning_rate": 0.05}),
    "select": (
        {},
        {"candidates": {"temperature": (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)}},
    ),
}
FLOWS = ("synthesis", "analysis")
FLOW = GlowConfig(image_size=4, image_channels=1, steps=(1,), widths=(3,))
ITERATE = [name for name in SETTINGS if name not in ("diverse_sr", "gibbs")]
BAD = ["nonsense", -1e12, float("nan"), [], {}]

# Left to the slow tests: next of kin of others, and what takes long to compile.
KIN = ("vble_xz", "analysis", "csgm")
COSTLY = ("jpmap", "synthesis", "diverse_sr", "vble")

each = pytest.mark.parametrize("name", rows(SETTINGS, KIN))
each_quick = pytest.mark.parametrize("name", rows(SETTINGS, (*KIN, *COSTLY)))
each_method = pytest.mark.parametrize("name", rows(ITERATE, (*KIN, *COSTLY)))


@functools.cache
def models(name, seed=0):
    if name == "diverse_sr":
        vdvae = random_prior(VDVAE, SMALL, 3)
        return vdvae, make_encoder(vdvae, seed + 1)
    if name == "variational":
        return (SmoothedTV(0.02 + 0.01 * seed),)
    if name in FLOWS:
        return (random_glow(FLOW, seed, 0.03),)
    if name == "select":
        return (PnPHVAE(prior(seed), decoder_std=0.2),)
    return () if name == "tv" else (prior(seed),)


def build(name, settings, seed=0):
    if name == "select":
        return Select(*models(name, seed), **settings)
    return create(name, settings, *models(name, seed))


def measurements(name, count):
    if name == "diverse_sr":
        y = jax.random.uniform(jax.random.key(1), (count, 4, 4, 1))
        operator = models(name)[1].config.operator()
        return [gaussian(one, operator, jnp.float32(0.01)) for one in y]
    shape = (4, 4, 1) if name in FLOWS else SHAPE
    kernels = [jnp.asarray(KERNEL), jnp.asarray(KERNEL[::-1].copy())]
    return [
        gaussian(y, Blur(kernels[i % 2]), jnp.float32(0.05 + 0.01 * i))
        for i, y in enumerate(observations(3, count, shape))
    ]


def run(method, observation, key, **rules):
    """Five steps or three draws."""
    if isinstance(method, Method):
        stopping = replace(Stopping(), **rules)
        arguments = {"stopping": stopping, "max_steps": 5, "history": True}
        return restore(method, observation, key=key, **arguments)
    return sample(method, observation, key=key, n_samples=3, quantiles=(0.5,))


KEYS = jax.random.split(jax.random.key(7), 3)


def test_the_registry_is_covered():
    assert {*SOLVERS, "select"} == set(SETTINGS)


@each_quick
def test_other_numbers_compile_nothing_and_move_nothing(name):
    compiled = []

    def listen(event, duration, **kwargs):
        if event.endswith("backend_compile_duration"):
            compiled.append(event)

    first, second = measurements(name, 2)
    usual, others = SETTINGS[name]
    before, after = build(name, usual), build(name, others, 1)
    key, other_key = KEYS[0], KEYS[1]
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        run(before, first, key, tolerance=1e-3, patience=3)
        count = len(compiled)
        with jax.transfer_guard("disallow"):
            result = run(after, second, other_key, tolerance=1e-4, patience=4)
            jax.block_until_ready(result)
        assert count > 0 and len(compiled) == count
    finally:
        jax.monitoring.clear_event_listeners()


@each_quick
def test_a_batch_equals_one_by_one(name):
    method, seen = build(name, SETTINGS[name][0]), measurements(name, 3)
    stack = jax.tree.map(lambda *leaves: jnp.stack(leaves), *seen)
    together = jax.vmap(lambda o, key: run(method, o, key, tolerance=1e-3))(stack, KEYS)
    for i, one in enumerate(seen):
        alone = run(method, one, KEYS[i], tolerance=1e-3)
        assert together.status[i] == alone.status
        np.testing.assert_allclose(together.mean[i], alone.mean, atol=2e-4)


@each_quick
def test_nan_in_status_out(name):
    (observation,) = measurements(name, 1)
    broken = replace(observation, y=observation.y.at[0, 0, 0].set(jnp.nan))
    assert run(build(name, {}), broken, KEYS[0]).status == Status.DIVERGED


@each_method
def test_the_start_is_taken(name):
    (observation,) = measurements(name, 1)
    method = build(name, SETTINGS[name][0])
    start = jnp.full(observation.image_shape, 0.4)
    usual = restore(method, observation, key=KEYS[0], max_steps=1)
    given = restore(method, observation, key=KEYS[0], max_steps=1, start=start)
    changed = not np.allclose(usual.image, given.image)
    # These begin with latents of their own, whatever the image.
    assert changed or name in ("csgm", "jpmap", "synthesis")
    with pytest.raises(InputError, match="start has shape"):
        restore(method, observation, start=start[1:])


@each
def test_settings_survive_json(name):
    for settings in SETTINGS[name]:
        method = build(name, settings)
        stored = json.loads(json.dumps(method.settings()))
        again = build(name, stored)
        assert again.settings() == stored
        (observation,) = measurements(name, 1)
        checked = again.validate(observation)
        assert build(name, checked.settings()).settings() == checked.settings()


@each
def test_settings_out_of_range_are_refused_in_one_line(name):
    (observation,) = measurements(name, 1)
    for field in settings_of(build(name, {})):
        for value in BAD:
            with pytest.raises(InputError, match=field.name) as caught:
                method = replace(build(name, {}), **{field.name: value})
                method.validate(observation)
            assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", SOLVERS)
def test_settings_of_others_are_refused_with_the_own_ones(name):
    own = [field.name for field in settings_of(SOLVERS[name])]
    with pytest.raises(InputError, match="unknown setting.*" + sorted(own)[0]):
        create(name, {"sharpness": 1}, *models(name))


@pytest.mark.parametrize("name", rows([n for n in SOLVERS if SOLVERS[n].models], KIN))
def test_a_prior_that_cannot_do_it_is_refused_in_one_line(name):
    (observation,) = measurements(name, 1)
    field = SOLVERS[name].models[0]
    with pytest.raises(InputError, match=f"{field}: a object .* to {name}") as caught:
        run(replace(build(name, {}), **{field: object()}), observation, KEYS[0])
    assert "\n" not in str(caught.value)


def test_unknown_names():
    with pytest.raises(InputError, match="solver.name=magic: expected one of pnp_hvae"):
        create("magic", {})
