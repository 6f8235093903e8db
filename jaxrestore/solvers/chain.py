"""One function that runs every sampler, and the statistics of what it draws."""

import math
import os
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.settings import count, number, sequence
from jaxrestore.solvers.checks import check_kind, checked_start
from jaxrestore.solvers.method import Problem, Sampler
from jaxrestore.solvers.quantiles import RunningQuantiles
from jaxrestore.solvers.results import Draws
from jaxrestore.solvers.stopping import Status


def sample(
    method: Sampler,
    observation: Observation,
    *,
    key: jax.Array,
    n_samples: int,
    chains: int | None = None,
    burn_in: int = 0,
    thinning: int = 1,
    keep: bool = True,
    quantiles: tuple[float, ...] = (),
    start: jax.Array | None = None,
) -> Draws:
    """Draw images of p(x | y), as one compiled program: a `lax.scan` over steps.

    Mean, deviation and quantiles are followed while drawing, so that with
    ``keep=False`` memory does not grow with the number of draws. Quantiles are exact
    for few draws and then estimates by the extended P-square algorithm (Jain and
    Chlamtac 1985; Raatikainen 1987). Compiles once per structure and shape, works
    inside `jax.jit` and `jax.vmap`.

    Args:
        method: such as `DiverseSR(prior, encoder)`.
        observation: y, the operator and the noise.
        key: random key of this image.
        n_samples: static, N >= 1 draws in all, over the chains.
        chains: static, chains side by side; None: the method's own number.
        burn_in: static, first steps of each chain that are not kept.
        thinning: static, every so many-th step is kept.
        keep: static, return the samples.
        quantiles: static, levels in (0, 1), increasing.
        start: x^0, (H, W, C); None: the observation's own starting image.

    Raises:
        InputError: a setting out of its range, or more images than fit.
    """
    check_kind(method, Sampler, "samples", "restore")
    method = method.validate(observation)
    start = checked_start(start, observation)
    n_samples = count()(n_samples, "n_samples")
    wanted = count()(method.chains if chains is None else chains, "chains")
    per_chain = -(-n_samples // wanted)
    levels = sequence(number(0, 1, above=True), 0)(quantiles, "quantiles")
    if sorted(set(levels) - {1}) != list(levels):
        raise InputError(f"quantiles={levels}: expected rising levels between 0 and 1")
    if keep:
        _check_memory(n_samples, observation.image_shape)
    plan = _Plan(
        n_samples,
        -(-n_samples // per_chain),
        per_chain,
        count(0)(burn_in, "burn_in"),
        count()(thinning, "thinning"),
        bool(keep),
        levels,
    )
    return _sample(*jax.device_put((method, observation, start, key)), plan=plan)


class _Plan(NamedTuple):
    """What shapes the program; `per_chain` draws of each chain are kept."""

    n_samples: int
    chains: int
    per_chain: int
    burn_in: int
    thinning: int
    keep: bool
    levels: tuple[float, ...]


class _Statistics(NamedTuple):
    count: jax.Array
    mean: jax.Array
    squares: jax.Array  # sum of squared deviations
    quantiles: RunningQuantiles | None

    def add(self, image: jax.Array, counted: jax.Array) -> "_Statistics":
        """With one draw more, unless it does not count."""
        number = self.count + 1
        change = image - self.mean
        mean = self.mean + change / number
        squares = self.squares + change * (image - mean)
        quantiles = self.quantiles and self.quantiles.add(image)
        more = _Statistics(number, mean, squares, quantiles)
        return jax.tree.map(lambda a, b: jnp.where(counted, a, b), more, self)


@partial(jax.jit, static_argnames="plan")
def _sample(
    method: Any, observation: Observation, start: Any, key: jax.Array, plan: _Plan
) -> Draws:
    start = observation.initial_image() if start is None else start
    method = method.cast(start.dtype)
    steps = plan.burn_in + plan.per_chain * plan.thinning
    problem = Problem(observation, start, steps)
    keys = jax.random.split(key, (steps + 1, plan.chains))
    init = jax.vmap(lambda k: method.init(problem._replace(key=k)))

    def several(states, keys):
        """All chains as many steps on as there are rows of keys."""
        step = jax.vmap(lambda s, k: method.step(problem, s, k))
        if len(keys) == 1:
            return step(states, keys[0])
        return jax.lax.scan(lambda s, k: (step(s, k), None), states, keys)[0]

    def kept(carry, inputs):
        states, statistics = carry
        number, keys = inputs
        states = several(states, keys)
        images = jax.vmap(method.image)(states)
        places = number * plan.chains + jnp.arange(plan.chains)

        def add(statistics, drawn):
            image, place = drawn
            counted = jnp.isfinite(image).all() & (place < plan.n_samples)
            return statistics.add(image, counted), None

        statistics, _ = jax.lax.scan(add, statistics, (images, places))
        return (states, statistics), images if plan.keep else None

    states = init(keys[-1])
    if plan.burn_in:
        states = several(states, keys[: plan.burn_in])
    blank = jnp.zeros_like(method.image(jax.tree.map(lambda leaf: leaf[0], states)))
    follow = RunningQuantiles.of(blank, plan.levels) if plan.levels else None
    nothing = _Statistics(jnp.int32(0), blank, blank, follow)
    rounds = keys[plan.burn_in : -1].reshape(plan.per_chain, plan.thinning, plan.chains)
    inputs = jnp.arange(plan.per_chain), rounds
    (_, found), images = jax.lax.scan(kept, (states, nothing), inputs)
    return _draws(plan, found, images, steps)


def _draws(plan: _Plan, found: _Statistics, images: Any, steps: int) -> Draws:
    whole = found.count == plan.n_samples
    shape = found.mean.shape
    return Draws(
        samples=images.reshape(-1, *shape)[: plan.n_samples] if plan.keep else None,
        mean=found.mean,
        std=jnp.sqrt(found.squares / jnp.maximum(found.count, 1)),
        quantiles=found.quantiles.values() if found.quantiles else None,
        levels=jnp.asarray(plan.levels, found.mean.dtype),
        count=found.count,
        status=jnp.where(whole, int(Status.DRAWN), int(Status.DIVERGED)),
        evaluations=jnp.int32(steps * plan.chains),
    )


def _check_memory(n_samples: int, shape: tuple[int, ...]) -> None:
    image = 4 * 2 * math.prod(shape)  # float32, and once more on the way
    most = _memory() // 2 // image
    if n_samples > most:
        raise InputError(
            f"n_samples={n_samples}: their images alone take"
            f" {n_samples * image / 2**30:.0f} GiB, about {most} fit; draw them in"
            " several calls with other keys, or with keep=False"
        )


def _memory() -> int:
    """Bytes that a device has."""
    stats = jax.local_devices()[0].memory_stats() or {}
    here = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return stats.get("bytes_limit", here)
