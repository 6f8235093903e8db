"""CSGM: restoration by descent in the latent space alone."""

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrestore.likelihoods import Observation
from jaxrestore.priors.base import HierarchicalPrior
from jaxrestore.solvers import settings
from jaxrestore.solvers.adam import Adam, State, View
from jaxrestore.solvers.driver import Stopping, run
from jaxrestore.solvers.restoration import Restoration


def csgm(
    prior: HierarchicalPrior,
    observation: Observation,
    *,
    learning_rate: Any = 0.01,
    max_steps: int = 500,
    tolerance: Any = 1e-4,
    patience: Any = None,
    improvement: Any = 1e-3,
    watch: str = "change",
    history: bool = True,
    latents: Any = None,
) -> Restoration:
    """Restore one image as the decoder mean G(z) that explains the observation best.

    Minimises by Adam

        F(z) = ||A G(z) - y||^2 / (2 sigma^2) - sum_l log p(z_l | z_<l)

    which for z ~ N(0, I) is, up to a constant, 1 / (2 sigma^2) times the objective
    ||A G(z) - y||^2 + sigma^2 ||z||^2 of Bora et al. (2017) as JPMAP's experiments
    weight it. The result always lies in the range of the decoder: that is the limit of
    the method, and what `jpmap` relaxes. K steps evaluate the decoder and its gradient
    K + 1 times.

    Compiles once per shape and works under `jax.jit` and `jax.vmap`, like `pnp_hvae`.

    Args:
        prior: a prior with `at`; a plain `VAE`, or a hierarchical one.
        observation: y, the operator and the noise level.
        learning_rate: of Adam, > 0.
        max_steps: static, largest number of steps.
        tolerance: stop at this relative change of G(z), >= 0.
        patience: plateau rule, see `Stopping`; None: no such rule.
        improvement: what the plateau rule calls an improvement, in [0, 1).
        watch: static, what the plateau rule follows: "change" or "objective".
        history: static, record residual, objective and contraction ratio.
        latents: z^0, one array per group; None: the means of the prior (z^0 = 0 for a
            plain VAE).

    Returns:
        `image` and `mean` are both G(z_K).

    Raises:
        InputError: a setting out of its range, or latents of other shapes.
    """
    settings.check_watch(watch)
    settings.check_latents(prior, latents, observation.image_shape)
    knobs = _Knobs(
        settings.check_number(
            "learning_rate", learning_rate, 0, 10, "a number > 0, such as 0.01"
        ),
        settings.stopping(tolerance, patience, improvement),
    )
    return _solve(
        *jax.device_put((prior, observation, knobs, latents)),
        max_steps=settings.check_count("max_steps", max_steps),
        history=bool(history),
        watch=watch,
    )


class _Knobs(NamedTuple):
    learning_rate: Any
    stopping: Stopping


@dataclass(frozen=True)
class _F:
    """F of latents z, with G(z)."""

    prior: HierarchicalPrior
    observation: Observation
    shape: tuple[int, int]

    def __call__(self, latents: tuple[jax.Array, ...]) -> tuple[jax.Array, View]:
        decoded = self.prior.at(latents, self.shape)
        misfit = self.observation.neg_log_likelihood(decoded.mean)
        value = misfit - decoded.log_prior.sum()
        return value, View(decoded.mean, decoded.mean)


@functools.partial(jax.jit, static_argnames=("max_steps", "history", "watch"))
def _solve(
    prior: HierarchicalPrior,
    observation: Observation,
    knobs: _Knobs,
    latents: Any,
    *,
    max_steps: int,
    history: bool,
    watch: str,
) -> Restoration:
    image = observation.initial_image()
    knobs = jax.tree.map(lambda leaf: leaf.astype(image.dtype), knobs)
    encoded = int(latents is None)
    if latents is None:  # at temperature 0 the encoder has no say
        latents = prior.reconstruct(jnp.zeros_like(image), 0.0).latents
    evaluate = _F(prior, observation, (image.shape[0], image.shape[1]))
    method = Adam(evaluate, tuple(latents), knobs.learning_rate)
    result = run(
        method, knobs.stopping, max_steps=max_steps, history=history, watch=watch
    )
    final: State = result.state
    return Restoration.of(
        result,
        final.view.image,
        final.view.mean,
        final.point,
        evaluations=result.steps + 1 + encoded,
        gradients=result.steps + 1,
    )
