"""What every solver returns."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from jaxrestore.solvers.driver import Run


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Restoration:
    """A restored image and how the solver got there.

    Attributes:
        image: (H, W, C) the last iterate x_K, the result of the last data step. Not
            clipped.
        mean: (H, W, C) the decoder mean mu_K = HVAE(x_K), which the published
            PnP-HVAE experiments score. Solvers without a decoder put `image` here.
        latents: the latent groups of `mean`, the coarsest first; () without a decoder.
        steps: () int32, the number K of steps taken.
        residual: () ||x_K - x_{K-1}|| / ||x_{K-1}||; infinite without a step.
        status: () int32 code, see `Status` and `status_name`.
        history: "residual", "objective", "contraction" and what the solver adds, each
            (max_steps,), NaN after the last step; None if it was not asked for.
        evaluations: () int32, forward passes through the prior's network (encoder,
            decoder or both), or evaluations of the regulariser; 0 without either.
        gradients: () int32, backward passes through it.
        temperature: tau, () or one for each group; None of solvers without.
        samples: (N, H, W, C) draws of p(x | y); None of solvers that find one image.
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
    samples: jax.Array | None = None

    @classmethod
    def of(
        cls,
        run: Run,
        image: Any,
        mean: Any,
        latents: tuple[Any, ...] = (),
        evaluations: Any = 0,
        gradients: Any = 0,
        temperature: Any = None,
    ) -> "Restoration":
        """Join the driver's account of a run with the solver's results."""
        return cls(
            image=image,
            mean=mean,
            latents=latents,
            steps=run.steps,
            residual=run.residual,
            status=run.status,
            history=run.history,
            evaluations=jnp.full_like(run.steps, 0) + evaluations,
            gradients=jnp.full_like(run.steps, 0) + gradients,
            temperature=temperature,
        )
