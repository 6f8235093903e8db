"""What solvers return."""

from dataclasses import dataclass, field
from typing import Any

import jax

from jaxrestore.pytrees import pytree


@pytree
@dataclass(frozen=True, eq=False)
class Restoration:
    """A restored image and how the solver got there.

    Attributes:
        image: (H, W, C) the last iterate x_K, the result of the last data step. Not
            clipped.
        mean: (H, W, C) the decoder mean mu_K = HVAE(x_K), which the published
            PnP-HVAE experiments score. Solvers without a decoder put `image` here.
        latents: the latent groups of `mean`, the coarsest first; () without a decoder.
            (`PnPHVAE` may average `mean` over views, and see a larger canvas.)
        steps: () int32, the number K of steps taken.
        residual: () ||x_K - x_{K-1}|| / ||x_{K-1}||; infinite without a step.
        status: () int32 code, see `Status` and `status_name`.
        history: "residual", "objective", "contraction" and what the solver adds, each
            (max_steps,), NaN after the last step; None if it was not asked for.
        evaluations: () int32, forward passes through the prior's network (encoder,
            decoder or both), or evaluations of the regulariser; 0 without either.
        gradients: () int32, backward passes through it.
        temperature: tau, () or one for each group; None of solvers without.
        selected: () number of the candidate that was chosen; None: no choice.
        spread: of solvers that fit a posterior to the latents its widths, one array
            per group, and the share b of p(x | z)'s deviation or None; else None.
    """

    image: jax.Array
    mean: jax.Array
    latents: tuple[jax.Array, ...]
    steps: jax.Array
    residual: jax.Array
    status: jax.Array
    history: dict[str, jax.Array] | None
    evaluations: jax.Array
    gradients: jax.Array
    temperature: jax.Array | None = None
    selected: jax.Array | None = None
    spread: tuple[tuple[jax.Array, ...], jax.Array | None] | None = None


@pytree
@dataclass(frozen=True, eq=False)
class Draws:
    """Draws of p(x | y), and what can be told of them without keeping them.

    What is not finite is left out of mean, deviation and quantiles, and makes the
    status DIVERGED.

    Attributes:
        samples: (N, H, W, C), or None if they were not to be kept.
        mean: (H, W, C), the posterior's: over the draws, or over their expectations
            where the method knows them (`Sampler.expected`).
        std: (H, W, C), of the draws about their own mean (divided by N).
        quantiles: (Q, H, W, C) of each value; None if none were asked for.
        levels: (Q,), of the quantiles.
        count: () int32, how many draws were finite.
        status: () int32 code: DRAWN or DIVERGED.
        evaluations: () int32, forward passes through the prior's network.
        healthy: (chains,) int32, how many draws of each chain were finite.
        chains: where the chains stand, for `sample(..., resume=draws)`.
        traces: with ``traces=True`` name -> (steps, chains, ...) of each kept step:
            "pixels", (..., h, w, C), some pixels of the image, and what the method
            tells; else empty.
    """

    samples: jax.Array | None
    mean: jax.Array
    std: jax.Array
    quantiles: jax.Array | None
    levels: jax.Array
    count: jax.Array
    status: jax.Array
    evaluations: jax.Array
    healthy: jax.Array
    chains: "Chains"
    traces: dict[str, jax.Array]


@pytree
@dataclass(frozen=True, eq=False)
class Chains:
    """Markov chains between two steps.

    Attributes:
        states: of the method, a leading axis over the chains.
        statistics: of what was kept.
        healthy: (chains,) int32, as in `Draws`.
        steps: () int32, how many were taken, burn-in and all.
        drawn: () int32, how many draws were kept.
        levels: of the quantiles.
    """

    states: Any
    statistics: Any
    healthy: jax.Array
    steps: jax.Array
    drawn: jax.Array
    levels: tuple[float, ...] = field(metadata={"static": True})


@pytree
@dataclass(frozen=True, eq=False)
class Found:
    """What a method makes of its last state; see `Restoration`."""

    mean: jax.Array
    latents: tuple[jax.Array, ...] = ()
    evaluations: Any = 0
    gradients: Any = 0
    temperature: Any = None
    image: Any = None  # None: the state's own
    spread: Any = None
