"""Variational restoration: descent, oracles, regularisers, one compiled program."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxrestore.errors import InputError
from jaxrestore.operators import Blur, Identity, Mask
from jaxrestore.priors import Critic, CriticConfig, SmoothedTV
from jaxrestore.solvers import Status, Variational
from tests.contracts.cases import dense, normal, problem, relative
from tests.solvers.problems import KERNEL, gaussian, run

SHAPE, SIGMA = (9, 8, 1), 0.1
CRITIC = Critic.create(CriticConfig((4, 3), image_channels=1), jax.random.key(1))
DESCENT = {"descent": "gradient_descent"}


def ridge(image):
    return jnp.mean(image**2)


REGULARISERS = {"critic": CRITIC, "tv": SmoothedTV(0.02), "user": ridge}
OPERATORS = {
    "identity": Identity(),
    "blur": Blur(jnp.asarray(KERNEL)),
    "mask": Mask((normal(9, (9, 8, 1)) > -0.5).astype(jnp.float32)),
}


def observe(operator=None, seed=0, sigma=SIGMA):
    operator = operator or OPERATORS["blur"]
    clean = jax.random.uniform(jax.random.key(seed), SHAPE)
    y = operator(clean) + sigma * normal(seed + 1, SHAPE)
    return gaussian(y, operator, jnp.float32(sigma))


def documented(regulariser, observation, x, weight, scaling):
    """The objective of `variational`'s docstring, in float64."""
    residual = np.asarray(observation.operator(x), np.float64)
    residual = residual - np.asarray(observation.operator.clean(observation.y))
    misfit = np.sum(residual**2)
    if scaling == "pixel":
        n = x.shape[0] * x.shape[1]
        return misfit / (2 * n) + weight * SIGMA * float(regulariser(x))
    return misfit / (2 * SIGMA**2) + weight * float(regulariser(x))


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("name", REGULARISERS)
@pytest.mark.parametrize(
    "scaling", ["pixel", pytest.param("literal", marks=pytest.mark.slow)]
)
def test_gradient_descent_decreases_the_documented_objective(operator, name, scaling):
    regulariser, observation = REGULARISERS[name], observe(OPERATORS[operator])
    weight = {"pixel": 1.0, "literal": 30.0}[scaling]
    settings = {"weight": weight, "scaling": scaling, "max_steps": 25, **DESCENT}
    result = run(Variational, regulariser, observation, **settings)
    values = np.asarray(result.history["objective"])
    values = values[np.isfinite(values)]
    start = observation.initial_image()
    first = documented(regulariser, observation, start, weight, scaling)
    last = documented(regulariser, observation, result.image, weight, scaling)
    np.testing.assert_allclose(values[-1], last, rtol=1e-5)
    rounding = 2e-7 * abs(first)
    assert values[0] < first and np.all(np.diff(values) <= rounding)
    assert first - last > 1e-3 * abs(first)


@pytest.mark.parametrize("method", ["adam", "gradient_descent"])
def test_quadratic_has_its_closed_form(method):
    observation, weight = observe(), 0.5
    rates = {"learning_rate": 0.03, "final_learning_rate": 1e-4}
    result = run(
        Variational,
        ridge,
        observation,
        weight=weight,
        descent=method,
        max_steps=400,
        **rates if method == "adam" else {},
    )
    # A'A x + 2 weight sigma x = A'y, from dF/dx = 0 times n.
    matrix = dense(observation.operator, SHAPE)
    normal_matrix = matrix.T @ matrix + 2 * weight * SIGMA * np.eye(len(matrix))
    exact = np.linalg.solve(
        normal_matrix, matrix.T @ np.asarray(observation.y, np.float64).ravel()
    )
    # Descent ends where float32 sees F fall no more, about sqrt(1e-7) from the minimum.
    tolerance = {"adam": 2e-4, "gradient_descent": 1e-3}[method]
    np.testing.assert_allclose(result.image.ravel(), exact, atol=tolerance)


def written_out(observation, weight, steps, turns):
    """Image and objective's values of Adam as the docstring has it, step by step."""
    x = observation.initial_image()
    optimizer = optax.adam(lambda k: 0.1 * 10.0 ** (-k / (steps - 1)))
    state, values = optimizer.init(x), []
    for k in range(steps + 1):

        def objective(x, quarter=k % 4 if turns else 0):
            data = jnp.sum(observation.residual(x) ** 2) / (2 * SHAPE[0] * SHAPE[1])
            return data + weight * SIGMA * CRITIC(jnp.rot90(x, quarter))

        value, slope = jax.value_and_grad(objective)(x)
        values.append(value)
        if k < steps:
            update, state = optimizer.update(slope, state)
            x = optax.apply_updates(x, update)
    return x, values[1:]


@pytest.mark.parametrize("turns", [False, True], ids=["upright", "turned"])
def test_adam_is_optax_with_the_published_schedule(turns):
    observation, settings = observe(), {"weight": 0.3, "max_steps": 6}
    result = run(Variational, CRITIC, observation, turns=turns, **settings)
    x, values = written_out(observation, 0.3, 6, turns)
    np.testing.assert_allclose(result.image, x, atol=1e-4)
    np.testing.assert_allclose(result.history["objective"], values, rtol=1e-4)
    assert int(result.steps) == 6 and int(result.status) == Status.MAX_STEPS
    other = run(Variational, CRITIC, observation, turns=not turns, **settings)
    assert relative(other.image, x) > 1e-3


def together(solve, count):
    """Results of `count` observations in one batch, each compared with its own run."""
    observations = [observe(seed=s) for s in range(count)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *observations)
    results = jax.vmap(solve)(stacked)
    for i, observation in enumerate(observations):
        alone = solve(observation)
        assert relative(results.image[i], alone.image) < 1e-4
        assert int(results.status[i]) == int(alone.status)
    return stacked


def test_a_batch_computes_one_turn_a_step():
    """Not all four of them, to choose one for each image."""
    settings = {"weight": 0.3, "turns": True, "max_steps": 5}
    solve = functools.partial(run, Variational, CRITIC, **settings)
    stacked = together(solve, 2)
    twice = jax.tree.map(lambda leaf: leaf[None], stacked)
    for batched, inputs in (
        (jax.vmap(solve), stacked),
        (jax.vmap(jax.vmap(solve)), twice),
    ):
        loop = str(jax.make_jaxpr(batched)(inputs)).split("while[")[1]
        assert "cond[" in loop


def test_turns_are_for_adam():
    with pytest.raises(InputError, match="turns=True: is for descent=adam"):
        run(Variational, CRITIC, observe(), turns=True, **DESCENT)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["adam", "gradient_descent"])
def test_vmap_is_a_loop(method):
    settings = {"weight": 0.5, "descent": method, "max_steps": 6}
    together(functools.partial(run, Variational, CRITIC, **settings), 3)


def test_failure_is_a_status():
    observation = observe(Identity())
    spoiled = gaussian(observation.y.at[0, 0].set(jnp.nan), Identity(), SIGMA)
    for method in ("adam", "gradient_descent"):
        result = run(
            Variational, CRITIC, spoiled, weight=0.5, descent=method, max_steps=3
        )
        assert int(result.status) == Status.DIVERGED and int(result.steps) == 0


def test_a_stall_in_single_precision_is_not_called_convergence():
    settings = {"weight": 300.0, "scaling": "literal", "max_steps": 2000}
    stuck = run(Variational, SmoothedTV(), observe(), **settings, **DESCENT)
    assert int(stuck.status) == Status.STALLED
    # Where it ends F is at its least as far as float32 sees, x not yet.
    settings |= {"learning_rate": 0.01, "final_learning_rate": 1e-5}
    better = run(Variational, SmoothedTV(), observe(), **settings)
    assert np.abs(better.image - stuck.image).max() > 1e-4
    last = [r.history["objective"][int(r.steps) - 1] for r in (stuck, better)]
    np.testing.assert_allclose(*last, rtol=1e-4)


def test_stops_where_nothing_changes():
    observation = gaussian(jnp.zeros(SHAPE), Identity(), SIGMA)
    result = run(Variational, ridge, observation, weight=1.0, **DESCENT)
    assert int(result.status) == Status.CONVERGED and not np.any(result.image)


@pytest.mark.parametrize("name", ["blur", "mask @ blur", "matrix", "downsample"])
def test_norm_of_the_operator(name):
    operator, shape = problem(name, 3)
    exact = np.linalg.norm(dense(operator, shape), 2) ** 2
    assert 0.9 * exact < float(operator.norm_squared(shape)) < 1.001 * exact


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("weight", 0.0),
        ("weight", "much"),
        ("scaling", "mean"),
        ("descent", "newton"),
        ("learning_rate", -1.0),
        ("max_steps", 0),
        ("tolerance", -1.0),
        ("start", jnp.zeros((2, 2, 1))),
    ],
)
def test_bad_settings(setting, value):
    settings = {"weight": 1.0, setting: value}
    with pytest.raises(InputError, match=setting):
        run(Variational, CRITIC, observe(), **settings)


@pytest.mark.slow
@pytest.mark.parametrize("descent", ["adam", "gradient_descent"])
def test_a_critic_where_double_precision_is_the_default(descent):
    with jax.enable_x64(True):
        critic = Critic.create(CRITIC.config, jax.random.key(1))
        settings = {"weight": 0.5, "descent": descent, "max_steps": 2}
        result = run(Variational, critic, observe(), **settings)
        assert int(result.steps) > 0
