"""One function that runs every sampler, and the statistics of what it draws."""

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.settings import count, number, sequence
from jaxrestore.solvers.checks import check_kind, checked_start
from jaxrestore.solvers.method import Problem, Sampler
from jaxrestore.solvers.results import Chains, Draws
from jaxrestore.solvers.statistics import Statistics
from jaxrestore.solvers.stopping import Status

_PROBES = 8  # followed pixels along a side, or almost twice as many
_FIRST = 2**31 - 1  # folded into the key for the chains' first states


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
    traces: bool = False,
    resume: Draws | None = None,
    devices: Sequence[Any] | None = None,
) -> Draws:
    """Draw images of p(x | y), as one compiled program: a `lax.scan` over steps.

    Mean, deviation and quantiles are followed while drawing, so that with
    ``keep=False`` memory does not grow with the number of draws. The mean is that of
    E[x | rest of the state, y] where the method knows it (`Sampler.expected`): the law
    is the same, the error less. Quantiles are exact
    for few draws and then estimates by the extended P-square algorithm (Jain and
    Chlamtac 1985; Raatikainen 1987). Compiles once per structure and shape, works
    inside `jax.jit` and `jax.vmap`.

    Args:
        method: such as `DiverseSR(prior, encoder)` or `Gibbs(prior)`.
        observation: y, the operator and the noise.
        key: random key of this image.
        n_samples: static, N >= 1 draws in all, over the chains.
        chains: static, chains side by side; None: the method's own number.
        burn_in: static, first steps of each chain that are not kept.
        thinning: static, every so many-th step is kept.
        keep: static, return the samples.
        quantiles: static, levels in (0, 1), increasing.
        start: x^0, (H, W, C); None: the observation's own starting image.
        traces: static, follow some pixels and what the method tells of itself, for
            `metrics.mixing`; takes a few numbers for each step that is kept.
        resume: earlier draws of the same method, observation, key, chains and
            quantiles, to go on from: N more draws, without burn-in the same as if all
            had been drawn at once (for N a multiple of the chains). Mean, deviation,
            quantiles and count are of all of them, samples and traces of the new ones.
        devices: spread the chains over these, whose number divides that of the
            chains; None: all on one. Not inside `jax.jit`.

    Raises:
        InputError: a setting out of its range, more images than fit, or draws that
            cannot be resumed.
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
        bool(traces),
    )
    before = None if resume is None else _resumed(resume, plan)
    arguments = jax.device_put((method, observation, start, key))
    if devices is not None:
        plan, (arguments, before) = _spread(devices, plan, (arguments, before))
    return _sample(*arguments, before, plan=plan)


class _Plan(NamedTuple):
    """What shapes the program; `per_chain` draws of each chain are kept."""

    n_samples: int
    chains: int
    per_chain: int
    burn_in: int
    thinning: int
    keep: bool
    levels: tuple[float, ...]
    traces: bool
    rows: NamedSharding | None = None  # of the chains over devices

    @property
    def steps(self) -> int:
        """Of each chain."""
        return self.burn_in + self.per_chain * self.thinning


def _resumed(draws: Draws, plan: _Plan) -> Chains:
    """Where the chains stand.

    Raises:
        InputError: they are others than are to go on.
    """
    before = draws.chains
    found, wanted = (len(before.healthy), before.levels), (plan.chains, plan.levels)
    if found != wanted:
        raise InputError(
            f"resume: draws of {found[0]} chains with quantiles {found[1]} cannot go on"
            f" as {wanted[0]} chains with {wanted[1]}; expected the same numbers"
        )
    return before


def _spread(devices, plan: _Plan, everything: Any) -> tuple[_Plan, Any]:
    """The plan for several devices, and what all of them need."""
    if plan.chains % len(devices):
        raise InputError(
            f"devices: {len(devices)} for {plan.chains} chains; expected a number that"
            " divides theirs"
        )
    mesh = Mesh(np.asarray(devices), ("chains",))
    whole, rows = (NamedSharding(mesh, PartitionSpec(*a)) for a in ((), ("chains",)))
    return plan._replace(rows=rows), jax.device_put(everything, whole)


@partial(jax.jit, static_argnames="plan")
def _sample(
    method: Any,
    observation: Observation,
    start: Any,
    key: jax.Array,
    before: Chains | None,
    plan: _Plan,
) -> Draws:
    start = observation.initial_image() if start is None else start
    method = method.cast(start.dtype)
    problem = Problem(observation, start, plan.steps)
    if before is None:
        before = _begun(method, problem, key, plan)

    def several(states, first, count):
        """All chains some steps on, with keys by the number of the step."""

        def step(i, states):
            numbers = (first + i) * plan.chains + jnp.arange(plan.chains)
            keys = jax.vmap(lambda number: jax.random.fold_in(key, number))(numbers)
            return jax.vmap(lambda s, k: method.step(problem, s, k))(states, keys)

        if count == 1:
            return step(0, states)
        return jax.lax.fori_loop(0, count, step, states)

    def kept(carry, _):
        states, statistics, healthy, number = carry
        first = before.steps + plan.burn_in + number * plan.thinning
        states = several(states, first, plan.thinning)
        images = jax.vmap(method.image)(states)
        means = jax.vmap(lambda state: method.expected(problem, state))(states)
        places = number * plan.chains + jnp.arange(plan.chains)
        wanted = places < plan.n_samples
        finite = jnp.isfinite(images) & jnp.isfinite(means)
        counted = finite.all((1, 2, 3)) & wanted

        def add(statistics, drawn):
            return statistics.add(*drawn), None

        statistics, _ = jax.lax.scan(add, statistics, (images, means, counted))
        told = _trace(method, problem, states) if plan.traces else {}
        carry = states, statistics, healthy + counted, number + 1
        return carry, (images if plan.keep else None, told)

    states = _shared(plan, before.states)
    if plan.burn_in:
        states = several(states, before.steps, plan.burn_in)
    carry = states, before.statistics, before.healthy, jnp.int32(0)
    carry, (images, told) = jax.lax.scan(kept, carry, length=plan.per_chain)
    states, found, healthy, _ = carry
    after = replace(
        before,
        states=_shared(plan, states),
        statistics=found,
        healthy=healthy,
        steps=before.steps + plan.steps,
        drawn=before.drawn + plan.n_samples,
    )
    walks = method.walks(after.steps) * plan.chains
    return _draws(plan, after, images, told, walks)


def _shared(plan: _Plan, states: Any) -> Any:
    """States of chains, on several devices where there are."""
    if plan.rows is None:
        return states
    return jax.lax.with_sharding_constraint(states, plan.rows)


def _begun(method, problem: Problem, key: jax.Array, plan: _Plan) -> Chains:
    """The chains before their first step."""
    keys = jax.random.split(jax.random.fold_in(key, _FIRST), plan.chains)
    states = jax.vmap(lambda k: method.init(problem._replace(key=k)))(keys)
    image = method.image(jax.tree.map(lambda leaf: leaf[0], states))
    statistics = Statistics.of(image, plan.levels)
    healthy = jnp.zeros(plan.chains, jnp.int32)
    none = jnp.int32(0)
    return Chains(states, statistics, healthy, none, none, plan.levels)


def _trace(method, problem: Problem, states: Any) -> dict[str, jax.Array]:
    """What is followed of all chains."""
    images = jax.vmap(method.image)(states)
    rows, columns = (max(1, side // _PROBES) for side in images.shape[1:3])
    pixels = images[:, rows // 2 :: rows, columns // 2 :: columns]
    told = jax.vmap(lambda state: method.trace(problem, state))(states)
    return {"pixels": pixels, **told}


def _draws(plan: _Plan, chains: Chains, images: Any, told: dict, walks: Any) -> Draws:
    found = chains.statistics
    whole, shape = found.count == chains.drawn, found.mean.shape
    return Draws(
        samples=images.reshape(-1, *shape)[: plan.n_samples] if plan.keep else None,
        mean=found.mean,
        std=jnp.sqrt(found.squares / jnp.maximum(found.count, 1)),
        quantiles=found.quantiles.values() if found.quantiles else None,
        levels=jnp.asarray(plan.levels, found.mean.dtype),
        count=found.count,
        status=jnp.where(whole, int(Status.DRAWN), int(Status.DIVERGED)),
        evaluations=jnp.int32(walks),
        healthy=chains.healthy,
        chains=chains,
        traces=told,
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
