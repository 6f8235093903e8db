"""The one top-down walk over the latent groups of a hierarchical VAE.

Encoding, reconstruction, sampling, interpolation, p(x | z_<k), log p(z) and the ELBO
are this walk with another latent rule (`rules.py`) and another thing to collect.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
from jax import lax

from jaxrestore.priors.hvae.gaussian import Gaussian
from jaxrestore.priors.hvae.rules import LatentRule

Collect = Callable[[jax.Array, Gaussian, Gaussian | None], Any]


def nothing(z, prior, posterior):
    """Collects nothing."""
    return ()


@dataclass(frozen=True)
class Run:
    """Consecutive latent groups of equal shape whose blocks are stacked.

    Attributes:
        params: parameters with a leading axis over the groups.
        count: number of groups.
        latent_shape: (h, w, z) of one latent.
        enter: takes the stream from the previous run's resolution to this one's.
        prior: (params, h) -> p(z | z_<l) and the stream after the prior's residual.
        posterior: (params, h) -> q(z | z_<l, x), from the stream before it.
        merge: (params, h, z) -> the stream after the latent.
    """

    params: Any
    count: int
    latent_shape: tuple[int, int, int]
    enter: Callable[[Any], Any]
    prior: Callable[[Any, Any], tuple[Gaussian, Any]]
    posterior: Callable[[Any, Any], Gaussian]
    merge: Callable[[Any, Any, jax.Array], jax.Array]


def split(runs: Sequence[Run], group: int) -> tuple[list[Run], list[Run]]:
    """The runs of the groups below ``group``, and those from it on."""
    below, above = [], []
    for run in runs:
        count = min(group, run.count)
        if count:
            below.append(_part(run, 0, count, run.enter))
        if count < run.count:
            enter = (lambda stream: stream) if count else run.enter
            above.append(_part(run, count, run.count, enter))
        group -= count
    return below, above


def _part(run: Run, start: int, stop: int, enter: Callable[[Any], Any]) -> Run:
    params = jax.tree.map(lambda leaf: leaf[start:stop], run.params)
    return replace(run, params=params, count=stop - start, enter=enter)


def top_down(
    runs: Sequence[Run],
    rule: LatentRule,
    collect: Collect,
    unroll: bool = False,
    stream: jax.Array | None = None,
    start: int = 0,
) -> tuple[jax.Array, list[Any]]:
    """Walk the groups, coarse to fine.

    Args:
        runs: the network, see :class:`Run`.
        rule: decides each latent.
        collect: (z, prior, posterior) -> what to keep of a group.
        unroll: without a loop (better for gradients on a CPU, slower to compile).
        stream: where an earlier walk of the runs before these ended.
        start: number of the first group.

    Returns:
        The stream after the last group, and for each run what was collected, with a
        leading axis over its groups.
    """
    collected = []
    for run in runs:
        inputs = rule.inputs(start, run.count, run.latent_shape)
        stream, kept = _walk_run(run, run.enter(stream), rule, inputs, collect, unroll)
        collected.append(kept)
        start += run.count
    assert stream is not None
    return stream, collected


def _walk_run(run: Run, stream, rule: LatentRule, inputs, collect: Collect, unroll):
    def step(h, group):
        params, group_inputs = group
        prior, after_prior = run.prior(params, h)
        posterior = run.posterior(params, h) if rule.uses_posterior else None
        z = rule(group_inputs, prior, posterior)
        return run.merge(params, after_prior, z), collect(z, prior, posterior)

    if run.count == 1:
        only = jax.tree.map(lambda leaf: leaf[0], (run.params, inputs))
        stream, kept = step(stream, only)
        return stream, jax.tree.map(lambda leaf: leaf[None], kept)
    return lax.scan(step, stream, (run.params, inputs), unroll=unroll)


def per_group(collected: Sequence[Any]) -> tuple[Any, ...]:
    """Undo the stacking: one entry per latent group, group 0 the coarsest."""
    groups = []
    for kept in collected:
        leaves = jax.tree.leaves(kept)
        count = leaves[0].shape[0] if leaves else 0
        groups += [jax.tree.map(lambda leaf, i=i: leaf[i], kept) for i in range(count)]
    return tuple(groups)
