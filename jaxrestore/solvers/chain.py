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
    method = method.validate(observation)
    n_samples = count()(n_samples, "n_samples")
    wanted = count()(method.chains if chains is None else chains, "chains")
    per_chain = -(-n_samples // wanted)
    levels = sequence(number(0, 1, above=True), 0)(quantiles, "quantiles")
    if keep:
        _check_memory(n_samples, observation.image_shape)
    static = {
        "n_samples": n_samples,
        "chains": -(-n_samples // per_chain),
        "per_chain": per_chain,
        "burn_in": count(0)(burn_in, "burn_in"),
        "thinning": count()(thinning, "thinning"),
        "keep": bool(keep),
        "levels": levels,
    }
    return _sample(*jax.device_put((method, observation, start, key)), **static)


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


@partial(
    jax.jit,
    static_argnames=(
        "n_samples",
        "chains",
        "per_chain",
        "burn_in",
        "thinning",
        "keep",
        "levels",
    ),
)
def _sample(
    method: Any,
    observation: Observation,
    start: Any,
    key: jax.Array,
    *,
    n_samples: int,
    chains: int,
    per_chain: int,
    burn_in: int,
    thinning: int,
    keep: bool,
    levels: tuple[float, ...],
) -> Draws:
    start = observation.initial_image() if start is None else start
    method = method.cast(start.dtype)
    steps = burn_in + per_chain * thinning
    problem = Problem(observation, start, steps)
    keys = jax.random.split(key, (steps + 1, chains))
    keys, first = keys[:-1], keys[-1]
    states = jax.vmap(lambda k: method.init(problem._replace(key=k)))(first)

    def advance(states, keys):
        return jax.vmap(lambda s, k: method.step(problem, s, k))(states, keys)

    def several(states, keys):
        return jax.lax.scan(lambda s, k: (advance(s, k), None), states, keys)[0]

    def kept(carry, inputs):
        states, statistics = carry
        number, keys = inputs
        states = several(states, keys) if thinning > 1 else advance(states, keys[0])
        images = jax.vmap(method.image)(states)
        places = number * chains + jnp.arange(chains)

        def add(statistics, drawn):
            image, place = drawn
            counted = jnp.isfinite(image).all() & (place < n_samples)
            return statistics.add(image, counted), None

        statistics, _ = jax.lax.scan(add, statistics, (images, places))
        return (states, statistics), images if keep else None

    if burn_in:
        states = several(states, keys[:burn_in])
    blank = jnp.zeros_like(jax.vmap(method.image)(states)[0])
    follow = RunningQuantiles.of(blank, levels) if levels else None
    nothing = _Statistics(jnp.int32(0), blank, blank, follow)
    rounds = keys[burn_in:].reshape(per_chain, thinning, chains)
    inputs = jnp.arange(per_chain), rounds
    (_, found), images = jax.lax.scan(kept, (states, nothing), inputs)
    whole = found.count == n_samples
    return Draws(
        samples=images.reshape(-1, *blank.shape)[:n_samples] if keep else None,
        mean=found.mean,
        std=jnp.sqrt(found.squares / jnp.maximum(found.count, 1)),
        quantiles=found.quantiles.values() if found.quantiles else None,
        levels=jnp.asarray(levels, blank.dtype),
        count=found.count,
        status=jnp.where(whole, int(Status.DRAWN), int(Status.DIVERGED)),
        evaluations=jnp.int32(steps * chains),
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
