"""Observation: prox, exact sampling, bad input."""

from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxrestore.errors import InputError
from jaxrestore.likelihoods import GaussianNoise, Observation
from jaxrestore.operators import (
    Blur,
    Crop,
    Downsample,
    Identity,
    Mask,
    Matrix,
    Operator,
    kernels,
)
from jaxrestore.priors import SmoothedTV
from jaxrestore.pytrees import pytree
from jaxrestore.solvers import TV, Variational, restore
from tests.contracts.cases import rows

DATA = Path(__file__).parent / "data"
SHAPE = (8, 6, 1)
KERNEL = jnp.asarray(kernels.normalise(np.random.default_rng(0).uniform(size=(3, 4))))
HOLES = jnp.asarray(np.random.default_rng(1).uniform(size=SHAPE) < 0.5, jnp.float32)
OPERATORS = {
    "identity": Identity(),
    "mask": Mask(HOLES),
    "blur": Blur(KERNEL),
    "downsample": Downsample(KERNEL, 2),
    "matrix": Matrix(jax.random.normal(jax.random.key(0), (20, 48)) / 5, SHAPE),
    "crop @ blur": Crop((1, 2, 2, 1)) @ Blur(KERNEL),
    "mask @ blur": Mask(HOLES) @ Blur(KERNEL),
}
STEPS = {"scalar": 0.04**2, "per pixel": 0.02**2 * (1 + 10 * jnp.linspace(0, 1, 6))}

each_operator = pytest.mark.parametrize("name", OPERATORS)
each_step = pytest.mark.parametrize("kind", STEPS)


def observe(name, noise_std=0.05, seed=3):
    operator = OPERATORS[name]
    keys = jax.random.split(jax.random.key(seed), 2)
    y = operator(jax.random.uniform(keys[0], SHAPE))
    y += noise_std * jax.random.normal(keys[1], y.shape)
    return Observation.create(y, operator, noise_std)


def step_of(kind):
    step = STEPS[kind]
    return jnp.broadcast_to(step[:, None], SHAPE) if kind == "per pixel" else step


def dense(operator):
    columns = jax.vmap(operator)(jnp.eye(48).reshape(-1, *SHAPE))
    return np.asarray(columns, np.float64).reshape(48, -1).T


@each_operator
def test_gradient_is_the_derivative(name):
    observation = observe(name)
    x = jax.random.uniform(jax.random.key(0), SHAPE)
    expected = jax.grad(observation.neg_log_likelihood)(x)
    np.testing.assert_allclose(observation.gradient(x), expected, rtol=1e-4, atol=1e-3)
    residual = OPERATORS[name](x) - observation.operator.clean(observation.y)
    value = np.sum(np.square(residual, dtype=np.float64)) / (2 * 0.05**2)
    np.testing.assert_allclose(observation.neg_log_likelihood(x), value, rtol=1e-5)


@each_operator
@each_step
@settings(max_examples=4, deadline=None, derandomize=True)
@given(noise_std=st.floats(0.01, 0.3), seed=st.integers(0, 1000))
def test_documented_objective_is_stationary_at_the_prox(name, kind, noise_std, seed):
    observation, step = observe(name, noise_std, seed), step_of(kind)
    v = jax.random.uniform(jax.random.key(seed), SHAPE)

    at_prox, at_centre = _objective_gradients(observation, v, step)
    # In units of the gradient at v, where the data term alone pulls.
    assert at_prox < 3e-4 * at_centre


@jax.jit
def _objective_gradients(observation, v, step):
    def objective(x):
        quadratic = jnp.sum((x - v) ** 2 / (2 * step))
        return observation.neg_log_likelihood(x) + quadratic

    gradient = jax.grad(objective)
    x = observation.prox(v, step)
    return jnp.linalg.norm(gradient(x)), jnp.linalg.norm(gradient(v))


@pytest.mark.parametrize("name", ["mask", "downsample", "crop @ blur"])
@each_step
@pytest.mark.parametrize("cg_steps", [1, 3])
def test_fixed_number_of_cg_steps(name, kind, cg_steps):
    """One step is the formula of the released code; more follow the textbook."""
    observation = observe(name)
    operator, weight = observation.operator, 0.05**2 / step_of(kind)
    mu = jax.random.uniform(jax.random.key(0), SHAPE)

    @jax.jit
    def system(x):
        return operator.adjoint(operator(x)) + weight * x

    x = mu
    residual = operator.adjoint(observation.y) + weight * mu - system(mu)
    direction = residual
    for _ in range(cg_steps):
        square = jnp.vdot(residual, residual)
        length = square / jnp.vdot(direction, system(direction))
        x = x + length * direction
        residual = residual - length * system(direction)
        direction = residual + jnp.vdot(residual, residual) / square * direction
    prox = jax.jit(Observation.prox, static_argnames="cg_steps")
    result = prox(observation, mu, step_of(kind), cg_steps=cg_steps)
    np.testing.assert_allclose(result, x, atol=3e-6)


@pytest.mark.parametrize("name", ["blur", "downsample", "matrix", "crop @ blur"])
def test_many_cg_steps_reach_the_exact_prox(name):
    observation = observe(name)
    v = jax.random.uniform(jax.random.key(0), SHAPE)
    exact = observation.prox(v, 0.01)
    np.testing.assert_allclose(observation.prox(v, 0.01, cg_steps=48), exact, atol=1e-4)
    assert jnp.abs(observation.prox(v, 0.01, cg_steps=1) - exact).max() > 1e-3


@each_operator
@each_step
def test_samples_have_the_exact_posterior(name, kind):
    """Whitened by dense algebra, the draws are standard normal."""
    observation, count = observe(name), 4000
    std = jnp.sqrt(jnp.asarray(step_of(kind)))
    mean = jax.random.uniform(jax.random.key(0), SHAPE)
    keys = jax.random.split(jax.random.key(1), count)
    draw = jax.jit(jax.vmap(observation.sample, (0, None, None)))
    samples = np.asarray(draw(keys, mean, std), np.float64).reshape(count, -1)

    matrix = dense(observation.operator)
    precision_x = 1 / np.broadcast_to(np.asarray(std, np.float64) ** 2, SHAPE).ravel()
    precision = matrix.T @ matrix / 0.05**2 + np.diag(precision_x)
    pull = matrix.T @ np.ravel(observation.y) / 0.05**2 + precision_x * np.ravel(mean)
    centred = samples - np.linalg.solve(precision, pull)
    white = centred @ np.linalg.cholesky(precision)
    # 48 means and 48 * 49 / 2 products, each within 4.5 standard errors.
    means = white.mean(0) * np.sqrt(count)
    products = (white.T @ white / count - np.eye(48)) * np.sqrt(count)
    products[np.diag_indices(48)] /= np.sqrt(2)
    assert np.abs(means).max() < 4.5
    assert np.abs(products).max() < 4.5


@pytest.mark.parametrize("name", rows(OPERATORS, ["crop @ blur", "mask @ blur"]))
def test_batches_equal_loops(name):
    observations = [observe(name, noise_std, 5) for noise_std in (0.02, 0.1, 0.3)]
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *observations)
    v = jax.random.uniform(jax.random.key(0), (3, *SHAPE))
    keys = jax.random.split(jax.random.key(1), 3)

    def everything(observation, v, key):
        return (
            observation.neg_log_likelihood(v),
            observation.gradient(v),
            observation.prox(v, 0.01),
            observation.sample(key, v, 0.1),
            observation.initial_image(),
        )

    together = jax.jit(jax.vmap(everything))(batch, v, keys)
    compiled = jax.jit(everything)
    for index, observation in enumerate(observations):
        alone = compiled(observation, v[index], keys[index])
        for one, many in zip(alone, together, strict=True):
            np.testing.assert_allclose(many[index], one, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["mask", "mask @ blur"])
def test_holes_never_leak(name):
    clean = observe(name)
    v = jax.random.uniform(jax.random.key(0), SHAPE)

    @jax.jit
    def everything(observation):
        return (
            observation.neg_log_likelihood(v),
            jax.grad(observation.neg_log_likelihood)(v),
            observation.gradient(v),
            observation.prox(v, 0.01),
            observation.prox(v, 0.01 * (1 + v)),
            observation.prox(v, 0.01, cg_steps=2),
            observation.sample(jax.random.key(2), v, 0.1),
            observation.initial_image(),
        )

    expected = everything(clean)
    for content in jnp.nan, jnp.inf, 1e6:
        y = jnp.where(HOLES == 1, clean.y, content)
        dirty = Observation.create(y, clean.operator, 0.05)
        for one, other in zip(everything(dirty), expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["blur", "down", "mask"])
def test_parity_with_the_published_iteration(name):
    """x_1 of the authors' operators, solved there in double precision."""
    file = "prox_blur.npz" if name == "blur" else "prox_down_mask.npz"
    with np.load(DATA / file) as arrays:
        data = {key.removeprefix(f"{name}_"): arrays[key] for key in arrays}
    sigma, decoder_std = map(float, data["stds"])
    operator = {
        "blur": lambda: Blur(data["kernel"]),
        "down": lambda: Downsample(data["kernel"], 4),
        "mask": lambda: Mask(data["mask"][..., None]),
    }[name]()
    observation = Observation.create(data["y"][..., None], operator, sigma)
    x = observation.prox(jnp.asarray(data["centre"])[..., None], decoder_std**2)
    every = 1 if name == "mask" else 4
    np.testing.assert_allclose(x[::every, ::every, 0], data["x"], atol=2e-6)
    if name == "down":
        start = observation.initial_image()[::4, ::4, 0]
        assert np.abs(start - data["start"]).mean() < 0.02


IMAGE = np.zeros((8, 8, 3), np.float32)


@pytest.mark.parametrize(
    ("y", "operator", "noise_std", "message"),
    [
        (IMAGE, Identity(), -0.1, "noise_std=-0.1; expected in"),
        (IMAGE, Identity(), 25, "noise_std=25.*divide levels"),
        (IMAGE, Identity(), float("nan"), "noise_std=nan"),
        (IMAGE, Identity(), 0, "noise_std=0; expected > 0"),
        (IMAGE, Identity(), "loud", "noise_std='loud'"),
        (IMAGE, Identity(), np.ones(5) / 9, "noise_std has shape"),
        (IMAGE, Identity(), np.zeros((8, 8, 1)), "noise_std=0; expected"),
        (IMAGE.astype(np.uint8), Identity(), 0.1, "y has dtype uint8"),
        (IMAGE[..., 0], Identity(), 0.1, "add a channel axis"),
        (IMAGE[..., 0], Crop((1, 1, 1, 1)), 0.1, "add a channel axis"),
        (IMAGE * np.nan, Identity(), 0.1, "y holds NaN"),
        (IMAGE, Mask(np.ones((8, 9, 1))), 0.1, "mask has shape"),
        (IMAGE, Mask(np.zeros((8, 8, 1))), 0.1, "mask is zero everywhere"),
        (IMAGE, Blur(np.zeros((3, 3))), 0.1, "kernel sums to 0"),
        (IMAGE, Blur(np.ones((9, 9))), 0.1, "larger than the image of 8x8"),
        (IMAGE[:5], Matrix(np.ones((2, 12)), (2, 2, 3)), 0.1, "measures"),
    ],
)
def test_create_refuses(y, operator, noise_std, message):
    with pytest.raises(InputError, match=message) as failure:
        Observation.create(y, operator, noise_std)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("noise_std", [1e-4, 1e-2])
def test_unknown_boundary_is_solved_to_the_end(noise_std):
    """Per-pixel deviations from .004 to .3: far more than a hundred steps."""
    blur = Blur(jnp.asarray(kernels.gaussian(9, 2.0)))
    shape = (24, 24, 1)
    operator = blur.unknown_boundary(shape)
    rng = np.random.default_rng(0)
    y = jnp.asarray(rng.uniform(size=shape), jnp.float32)
    canvas = operator.input_shape(shape)
    step = 10 ** rng.uniform(np.log10(0.004), np.log10(0.3), canvas)
    step = jnp.asarray(step**2, jnp.float32)
    v = jnp.asarray(rng.uniform(size=canvas), jnp.float32)
    x = jax.jit(Observation.create(y, operator, noise_std).prox)(v, step)
    size = int(np.prod(canvas))
    columns = jax.vmap(operator)(jnp.eye(size).reshape(-1, *canvas))
    matrix = np.asarray(columns, np.float64).reshape(size, -1).T
    variance = np.ravel(step).astype(np.float64)
    gram = (matrix * variance) @ matrix.T + noise_std**2 * np.eye(len(matrix))
    residual = np.ravel(y) - matrix @ np.ravel(v)
    exact = np.ravel(v) + variance * (matrix.T @ np.linalg.solve(gram, residual))
    assert np.linalg.norm(np.ravel(x) - exact) < 3e-3 * np.linalg.norm(exact)


def levels_for(name):
    y = observe(name).y
    rng = np.random.default_rng(4)
    return jnp.asarray(rng.uniform(0.02, 0.2, y.shape), jnp.float32)


@each_operator
@pytest.mark.parametrize("kind", rows(STEPS, ["scalar"]))
def test_one_noise_level_for_each_value(name, kind):
    plain, std, step = observe(name), levels_for(name), step_of(kind)
    observation = Observation.create(plain.y, plain.operator, std)
    x = jax.random.uniform(jax.random.key(0), SHAPE)
    slope = jax.grad(observation.neg_log_likelihood)(x)
    np.testing.assert_allclose(observation.gradient(x), slope, rtol=1e-4, atol=1e-2)
    at_prox, at_centre = _objective_gradients(observation, x, step)
    assert at_prox < 3e-4 * at_centre

    matrix, data = dense(plain.operator), 1 / np.ravel(std).astype(np.float64) ** 2
    pull = 1 / np.broadcast_to(np.asarray(step, np.float64), SHAPE).ravel()
    clean = np.ravel(plain.operator.clean(plain.y))
    precision = matrix.T * data @ matrix + np.diag(pull)
    exact = np.linalg.solve(precision, matrix.T @ (data * clean) + pull * np.ravel(x))
    found = observation.prox(x, step)
    np.testing.assert_allclose(np.ravel(found), exact, atol=1e-4)


def test_draws_with_one_noise_level_for_each_value():
    plain, std = observe("crop @ blur"), levels_for("crop @ blur")
    observation = Observation.create(plain.y, plain.operator, std)
    mean = jax.random.uniform(jax.random.key(0), SHAPE)
    keys = jax.random.split(jax.random.key(1), 4000)
    draw = jax.jit(jax.vmap(observation.sample, (0, None, None)))
    samples = np.asarray(draw(keys, mean, 0.1), np.float64).reshape(4000, -1)
    matrix, data = dense(plain.operator), 1 / np.ravel(std).astype(np.float64) ** 2
    covariance = np.linalg.inv(matrix.T * data @ matrix + np.eye(48) / 0.01)
    ratio = samples.var(0) / np.diag(covariance)
    np.testing.assert_allclose(ratio, 1, atol=0.1)


def test_simulate_is_the_only_measurement():
    clean = jax.random.uniform(jax.random.key(0), (40, 40, 1))
    noise = GaussianNoise(jnp.linspace(0.01, 0.2, 40)[:, None, None])
    observation = Observation.simulate(jax.random.key(1), clean, Identity(), noise)
    spread = np.std((observation.y - clean)[..., 0] / noise.std[..., 0])
    np.testing.assert_allclose(spread, 1, atol=0.06)
    again = Observation.simulate(jax.random.key(1), clean, Identity(), noise)
    np.testing.assert_array_equal(observation.y, again.y)


@pytree
@dataclass(frozen=True, eq=False)
class Gamma(Operator):
    """A camera's tone curve after a blur: differentiable, not linear."""

    blur: Blur

    def __call__(self, x):
        return jnp.clip(self.blur(x), 1e-3) ** 0.5


def test_an_operator_that_is_not_linear():
    operator = Identity() @ Gamma(Blur(KERNEL))
    x = jax.random.uniform(jax.random.key(0), SHAPE)
    observation = Observation.create(operator(x) + 0.01, operator, 0.05)
    slope = jax.grad(observation.neg_log_likelihood)(x)
    np.testing.assert_allclose(observation.gradient(x), slope, rtol=1e-4, atol=1e-3)
    with pytest.raises(InputError, match="a Chain is not linear"):
        observation.prox(x, 0.1)
    found = restore(Variational(SmoothedTV(), weight=1e-3), observation, max_steps=80)
    start = observation.initial_image()
    better = observation.neg_log_likelihood(found.image)
    assert better < 0.1 * observation.neg_log_likelihood(start)
    with pytest.raises(InputError, match="descent=gradient_descent.*linear"):
        restore(Variational(SmoothedTV(), descent="gradient_descent"), observation)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision_images(dtype):
    image = jax.random.uniform(jax.random.key(0), SHAPE).astype(dtype)
    for name in ("blur", "downsample", "mask"):
        operator = OPERATORS[name]
        measured = operator(image)
        assert measured.dtype == operator.adjoint(measured).dtype == dtype
        exact = operator(image.astype(jnp.float32))
        np.testing.assert_allclose(measured.astype(jnp.float32), exact, atol=0.02)
    observation = Observation.create(image, Identity(), 0.1)
    result = restore(TV(), observation, start=image, max_steps=2)
    assert result.image.dtype == jnp.float32


def test_prox_refuses_no_steps():
    with pytest.raises(InputError, match="cg_steps=0"):
        observe("blur").prox(jnp.zeros(SHAPE), 0.1, cg_steps=0)
