"""Synthesis and analysis give the numbers of the authors' notebook."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrestore.likelihoods import GaussianNoise, Observation
from jaxrestore.operators import Matrix
from jaxrestore.solvers import Analysis, Synthesis
from jaxrestore.solvers.method import Problem
from tests.parity.glow import CENTRE, Golden, close

TASKS = ("sr2", "sr4", "deblur", "inpainting", "denoise")
# The notebook: squares without 1/2, which is the likelihood of noise of sqrt(1/2), a
# constant rate, and a penalty of checkerboards that the paper does not have; here it is
# one more row of the operator.
STEPS = 10
OURS = {"learning_rate": 0.1, "final_learning_rate": 0.1}
NOISE = jnp.sqrt(jnp.float32(0.5))


@pytest.fixture(scope="module")
def golden(request):
    return Golden(request, "glow_inverse")


@pytest.fixture(scope="module")
def prior(golden):
    return golden.prior()


def forward(golden, task, images):
    """The notebook's operators on (N, H, W, C)."""
    count, side = len(images), images.shape[1]
    if task.startswith("sr"):
        r = int(task[2])
        blocks = images.reshape(count, side // r, r, side // r, r, -1)
        return blocks.mean((2, 4))
    if task == "deblur":
        padded = np.pad(images, ((0, 0), (3, 3), (3, 3), (0, 0)))
        rows = sum(padded[:, i : i + side] for i in range(7))
        return sum(rows[:, :, i : i + side] for i in range(7)) / 49
    if task == "inpainting":
        return images * np.moveaxis(golden["inpainting/mask"], 1, -1)
    return images


def observe(golden, task, formulation):
    """A as a matrix of always the same shape, so that one program does for all."""
    side = golden.config["S"]
    shape, size = (side, side, 3), side * side * 3
    checker, weight = np.zeros(size), 0.0
    if f"{task}/{formulation}_w" in golden.arrays:
        checker = (
            golden[f"{task}/{formulation}_checker"][..., None].repeat(3, -1).ravel()
        )
        weight = float(golden[f"{task}/{formulation}_w"])
    basis = np.eye(size, dtype=np.float32).reshape(-1, *shape)
    rows = forward(golden, task, basis).reshape(size, -1).T
    matrix = np.zeros((size + 1, size), np.float32)
    matrix[: len(rows)] = rows
    matrix[-1] = np.sqrt(weight) * checker
    y = np.zeros(size + 1, np.float32)
    y[: len(rows)] = np.moveaxis(golden[f"{task}/y"], 1, -1).ravel()
    y += matrix @ np.full(size, CENTRE, np.float32)
    operator = Matrix(jnp.asarray(matrix), shape)
    return Observation(jnp.asarray(y), operator, GaussianNoise(NOISE))


def constant(golden, task, formulation):
    """c of the notebook."""
    name = f"{task}/{formulation}_c"
    return jnp.asarray(golden[name if name in golden.arrays else f"{task}/c"])


@jax.jit
def gradient(method, observation, start, point):
    problem = Problem(observation, start, STEPS)
    evaluate = lambda p: method.evaluate(problem, p)[0]  # noqa: E731
    return jax.value_and_grad(evaluate)(point)


@jax.jit
def run(method, observation, start):
    """Point, objective, its gradient and the image of 11 states, stacked."""
    problem = Problem(observation, start, STEPS)

    def shown(state):
        return state.point, state.value, state.slope, state.view.image

    def advance(state, _):
        return method.step(problem, state), shown(state)

    last, states = jax.lax.scan(advance, method.init(problem), length=STEPS)
    ends = jax.tree.map(lambda a: a[None], shown(last))
    return jax.tree.map(lambda a, b: jnp.concatenate([a, b]), states, ends)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_analysis(golden, prior, task):
    weight = constant(golden, task, "analysis")
    start = "prior_mean" if task == "inpainting" else "image"
    method = Analysis(prior, weight, penalty="raw", start=start, **OURS)
    begin = "denoise/y" if task == "denoise" else f"{task}/x0_uniform"
    x0 = golden.maps(begin)[0] + (CENTRE if task == "denoise" else 0)
    observation = observe(golden, task, "analysis")
    point = golden.maps("point/x")[0] + CENTRE
    value, slope = gradient(method, observation, x0, point)
    close(value, golden[f"{task}/point/analysis_objective"])
    close(slope[None], golden.maps(f"{task}/point/analysis_grad"))
    points, values, slopes, _ = run(method, observation, x0)
    close(slopes[:1], golden.maps(f"{task}/analysis/grad_first"))
    close(points - CENTRE, golden.maps(f"{task}/analysis/x"))
    close(values[:-1], golden[f"{task}/analysis/objective"])


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_synthesis(golden, prior, task):
    weight = constant(golden, task, "synthesis")
    method = Synthesis(prior, weight, **OURS)
    side, groups = golden.config["S"], range(prior.num_groups - 1, -1, -1)
    observation = observe(golden, task, "synthesis")
    start = jnp.zeros((side, side, 3))
    point = tuple(golden.maps(f"point/z_{i}")[0] for i in groups)
    value, slopes = gradient(method, observation, start, point)
    close(value, golden[f"{task}/point/synthesis_objective"])
    points, values, begun, images = run(method, observation, start)
    for i, slope, first, z in zip(groups, slopes, begun, points, strict=True):
        close(slope[None], golden.maps(f"{task}/point/synthesis_grad_{i}"))
        close(first[:1], golden.maps(f"{task}/synthesis/grad_{i}_first"))
        close(z, golden.maps(f"{task}/synthesis/z_{i}"))
    close(values[:-1], golden[f"{task}/synthesis/objective"])
    if f"{task}/synthesis/x_final" in golden.arrays:
        close(images[-1:] - CENTRE, golden.maps(f"{task}/synthesis/x_final"))


@pytest.mark.slow
def test_consistent_penalties(golden, prior):
    """-log p(x), and the whitened latents' squared norm."""
    side = golden.config["S"]
    observation = observe(golden, "denoise", "analysis")
    start = jnp.zeros((side, side, 3))
    point = golden.maps("point/x")[0] + CENTRE
    names = {"density": "neg_log_p", "whitened": "whitened"}
    for penalty, name in names.items():
        shared = {**OURS, "penalty": penalty, "clip": False}
        with_it = Analysis(prior, weight=jnp.float32(1), **shared)
        without = Analysis(prior, weight=jnp.float32(0), **shared)
        (more, slope), (less, data) = (
            gradient(method, observation, start, point) for method in (with_it, without)
        )
        stored = "neg_log_p" if name == "neg_log_p" else "whitened_sum_eps2"
        close(more - less, golden[f"alt/{stored}"].ravel()[0])
        close((slope - data)[None], golden.maps(f"alt/{name}_grad"))


@pytest.mark.slow
def test_squares_are_half_of_theirs(golden, prior):
    """The paper's own form, with lambda = c / 2."""
    observation = observe(golden, "deblur", "analysis")
    start = golden.maps("point/x")[0] + CENTRE
    half = constant(golden, "deblur", "analysis") / 2
    method = Analysis(prior, half, penalty="raw", misfit="squares", **OURS)
    value, _ = gradient(method, observation, start, start)
    close(2 * value, golden["deblur/point/analysis_objective"])
