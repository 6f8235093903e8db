"""Many images side by side are what each of them is alone."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.errors import InputError
from jaxrestore.operators import Identity
from jaxrestore.pytrees import pytree
from jaxrestore.settings import number, setting
from jaxrestore.solvers import (
    Anderson,
    Method,
    PnPHVAE,
    Select,
    Status,
    Stopping,
    restore,
)
from jaxrestore.solvers.many import Asked, memory_of_many, program_of_many, restore_many
from jaxrestore.solvers.results import Found
from tests.solvers.problems import gaussian, observations, observe, prior

ALL = jax.devices()
ONE = ALL[:1]
CENTRE = jax.random.uniform(jax.random.key(7), (6, 5, 2))


class _State(NamedTuple):
    image: jax.Array


@pytree
@dataclass(frozen=True, eq=False)
class Pull(Method):
    """Goes a share of the way to its model, an image, beside the start."""

    prior: Any
    rate: Any = setting(0.5, number(0, 1))

    name: ClassVar = "pull"
    models: ClassVar = ("prior",)

    def init(self, problem):
        noise = jax.random.uniform(problem.key, problem.start.shape)
        return _State(problem.start + noise)

    def step(self, problem, state):
        way = self.prior + problem.observation.y - state.image
        return _State(state.image + self.rate * way)

    def objective(self, problem, state):
        return jnp.sum(jnp.square(state.image))

    def found(self, problem, state, steps):
        return Found(state.image, evaluations=steps)


def asked(count=3, **more):
    """Images of one kind; each with its own level, rate, tolerance and key."""
    given = {"max_steps": 40, "history": True} | more
    return [
        Asked(
            Pull(CENTRE, 0.4 + 0.1 * i),
            gaussian(y, Identity(), jnp.float32(0.04 + 0.01 * i)),
            Stopping(10.0 ** -(1 + i)),
            key=jax.random.key(i),
            **given,
        )
        for i, y in enumerate(observations(0, count))
    ]


def same(found, one):
    given = one._asdict()
    truth = restore(given.pop("method"), given.pop("observation"), **given)
    assert (found.status, found.steps) == (truth.status, truth.steps)
    for name in ("image", "mean", "residual"):
        a, b = (getattr(run, name) for run in (found, truth))
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    if one.history:
        np.testing.assert_allclose(
            found.history["objective"], truth.history["objective"], rtol=1e-4
        )


def test_each_image_is_what_it_is_alone():
    """With its own settings, stopping and key; filled up or not."""
    images = asked()
    steps = set()
    for found, one in zip(restore_many(images, 4, ONE), images, strict=True):
        same(found, one)
        steps.add(int(found.steps))
    assert len(steps) == 3  # each stopped by itself


def test_an_image_that_fails_harms_no_other():
    images = asked()
    broken = images[1].observation
    broken = replace(broken, y=broken.y.at[0, 0, 0].set(jnp.nan))
    images[1] = images[1]._replace(observation=broken)
    found = restore_many(images, 0, ONE)
    assert found[1].status == Status.DIVERGED
    for i in (0, 2):
        same(found[i], images[i])


@pytest.mark.slow
def test_wrappers_and_random_criteria_take_each_image_own_key():
    held, levels = prior(), (0.04, 0.05)
    plain = PnPHVAE(held, decoder_std=0.4)
    for method in (Select(plain, {"temperature": (0.5, 0.9)}), Anderson(plain)):
        images = [
            Asked(method, observe(y, level), max_steps=20, key=jax.random.key(i))
            for i, (y, level) in enumerate(zip(observations(0, 2), levels, strict=True))
        ]
        for found, one in zip(restore_many(images, 0, ONE), images, strict=True):
            same(found, one)


def test_kinds():
    """Numbers may differ; shapes, structures and models may not."""
    first, second, _ = asked()
    assert first.kind() == second.kind()
    other = replace(second.method, prior=CENTRE + 1)
    assert first.kind() != second._replace(method=other).kind()
    assert first.kind() != second._replace(history=False).kind()
    longer = second.observation
    longer = replace(longer, y=jnp.ones((8, 5, 2)))
    with pytest.raises(InputError, match="asked: images of different shapes"):
        restore_many([first, second._replace(observation=longer)])


@pytest.mark.slow
def test_memory_is_that_of_the_program_that_runs():
    (one,), compiled = asked(1, max_steps=7), []

    def note(event, duration, **more):
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(more.get("fun_name", ""))

    few, many = (memory_of_many(one, n, ONE) for n in (2, 8))
    assert many > 2 * few > 0
    jax.monitoring.register_event_duration_secs_listener(note)
    restore_many([one._replace(key=jax.random.key(5))] * 7, 8, ONE)
    jax.monitoring.unregister_event_duration_listener(note)
    assert not any("_together" in name for name in compiled)


@pytest.mark.slow
@pytest.mark.skipif(jax.device_count() < 8, reason="needs eight devices")
def test_devices_share_the_images_and_exchange_nothing():
    images = asked(5)
    for found, one in zip(restore_many(images, devices=ALL), images, strict=True):
        same(found, one)
    text = program_of_many(images[0], 5, ALL).as_text()
    for word in ("all-gather", "all-reduce", "all-to-all", "collective-permute"):
        assert word not in text
