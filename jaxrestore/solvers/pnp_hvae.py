"""PnP-HVAE: restoration with a hierarchical VAE (thesis, Algorithm 4)."""

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrestore.likelihoods import Observation
from jaxrestore.priors.base import HierarchicalPrior, Reconstruction
from jaxrestore.solvers import selection, settings
from jaxrestore.solvers import temperature as temperatures
from jaxrestore.solvers.driver import Stopping, run
from jaxrestore.solvers.objective import decoder_variance, joint_objective
from jaxrestore.solvers.restoration import Restoration


def pnp_hvae(
    prior: HierarchicalPrior,
    observation: Observation,
    *,
    temperature: Any = 0.8,
    decoder_std: Any = 10 / 255,
    encoder_noise: Any = None,
    max_steps: int = 50,
    tolerance: Any = 1e-4,
    patience: Any = None,
    improvement: Any = 1e-3,
    watch: str = "change",
    cg_steps: int | None = None,
    history: bool = True,
    start: jax.Array | None = None,
) -> Restoration:
    """Restore one image by Algorithm 4 of the thesis.

    Alternates two minimisations of the joint MAP objective, eq. (5.18),

        J1(x, z) = ||Ax - y||^2 / (2 sigma^2)
                   + sum_i [(x_i - mu_i(z))^2 / (2 gamma_i^2)
                            + log gamma_i + log(2 pi) / 2]
                   - sum_l tau_l^-2 log p(z_l | z_<l)

    (the constant of p(y | x) and the normalisers of the tempered priors are dropped):

        z^{k+1} = E_tau(x^k)                                     Algorithm 3
        x^{k+1} = argmin_x ||Ax - y||^2 / (2 sigma^2)
                           + sum_i (x_i - mu_i(z^{k+1}))^2 / (2 gamma_i^2)

    so x^{k+1} = prox_{gamma^2 f}(HVAE(x^k)) (Prop. 5.3). The state carries x^k with
    its reconstruction, hence K steps evaluate the network K + 1 times, and the
    returned `mean` and `latents` belong to the returned `image`. The history's
    objective is J1 of such a pair, (x^k, E_tau(x^k)).

    The call is one compiled program: images, operators, weights and every number
    below that is not marked static may change without a new compilation. It works
    inside `jax.jit` and, one image per element, under `jax.vmap`. Where an argument
    is an array of JAX its value is not checked.

    Args:
        prior: anything with `num_groups` and `reconstruct`.
        observation: y, the operator and the noise level.
        temperature: tau in (0, 1], one number or one for each latent group; or
            "auto", "sure", "discrepancy": the best of `selection.CANDIDATES` by that
            criterion ("auto" is "sure"), at as many times the cost, twice for "sure".
        decoder_std: gamma > 0 in [0, 1] units, a number or (H, W, C); None: what the
            decoder predicts, per pixel.
        encoder_noise: noise level in [0, 1] units that the encoder is told, for
            priors trained for denoising; None: the prior's own choice.
        max_steps: static, largest number of steps.
        tolerance: stop at this relative change of x, >= 0.
        patience: plateau rule, see `Stopping`; None: no such rule.
        improvement: what the plateau rule calls an improvement, in [0, 1).
        watch: static, what the plateau rule follows: "change" or "objective".
        cg_steps: static; None: exact data step. n: n steps of conjugate gradients
            from mu(z) instead (1 is what the released code does).
        history: static, record residual, objective and contraction ratio.
        start: x^0 (H, W, C); None: the observation's own starting image.

    Returns:
        `image` is x_K, the last data step; `mean` is mu_K = HVAE(x_K), which the
        published experiments score.

    Raises:
        InputError: a setting out of its range, or a start of another shape.
    """
    settings.check_watch(watch)
    if cg_steps is not None:
        cg_steps = settings.check_count("cg_steps", cg_steps)
    settings.check_start(start, observation)
    criterion = None
    if isinstance(temperature, str):
        criterion = selection.criterion(temperature)
        temperature = np.asarray(selection.CANDIDATES, np.float32)
    else:
        temperature = temperatures.check(temperature, prior.num_groups)
    knobs = _Knobs(
        temperature,
        settings.decoder_std(decoder_std),
        settings.encoder_noise(encoder_noise),
        settings.stopping(tolerance, patience, improvement),
    )
    # Explicit transfers, so that callers may forbid implicit ones.
    prior, observation, knobs, start = jax.device_put(
        (prior, observation, knobs, start)
    )
    return _solve(
        prior,
        observation,
        knobs,
        start,
        criterion=criterion,
        max_steps=settings.check_count("max_steps", max_steps),
        cg_steps=cg_steps,
        history=bool(history),
        watch=watch,
    )


class _Knobs(NamedTuple):
    temperature: Any
    decoder_std: Any
    encoder_noise: Any
    stopping: Stopping


class _State(NamedTuple):
    image: jax.Array
    reconstruction: Reconstruction


@dataclass(frozen=True)
class _Method:
    prior: HierarchicalPrior
    observation: Observation
    knobs: _Knobs
    start: jax.Array
    cg_steps: int | None

    def init(self) -> _State:
        return self._with_reconstruction(self.start)

    def step(self, state: _State) -> _State:
        mean, variance = state.reconstruction.mean, self._variance(state)
        image = self.observation.prox(mean, variance, cg_steps=self.cg_steps)
        return self._with_reconstruction(image.astype(self.start.dtype))

    def image(self, state: _State) -> jax.Array:
        return state.image

    def objective(self, state: _State) -> jax.Array:
        return joint_objective(
            self.observation,
            state.image,
            state.reconstruction,
            self.knobs.temperature,
            self.knobs.decoder_std,
        )

    def _with_reconstruction(self, image: jax.Array) -> _State:
        knobs = self.knobs
        return _State(
            image,
            self.prior.reconstruct(image, knobs.temperature, knobs.encoder_noise),
        )

    def _variance(self, state: _State) -> jax.Array:
        return decoder_variance(state.reconstruction, self.knobs.decoder_std)


@functools.partial(
    jax.jit, static_argnames=("criterion", "max_steps", "cg_steps", "history", "watch")
)
def _solve(
    prior: HierarchicalPrior,
    observation: Observation,
    knobs: _Knobs,
    start: jax.Array | None,
    *,
    criterion: str | None,
    **static: Any,
) -> Restoration:
    if criterion is None:
        return _solve_at(prior, observation, knobs, start, **static)

    def solve(observed: Observation, tau: jax.Array) -> Restoration:
        fixed = knobs._replace(temperature=tau)
        return _solve_at(prior, observed, fixed, start, **static)

    return selection.select(solve, observation, knobs.temperature, criterion)[0]


def _solve_at(
    prior: HierarchicalPrior,
    observation: Observation,
    knobs: _Knobs,
    start: jax.Array | None,
    *,
    max_steps: int,
    cg_steps: int | None,
    history: bool,
    watch: str,
) -> Restoration:
    image = observation.initial_image() if start is None else start
    knobs = jax.tree.map(lambda leaf: leaf.astype(image.dtype), knobs)
    method = _Method(prior, observation, knobs, image, cg_steps)
    result = run(
        method, knobs.stopping, max_steps=max_steps, history=history, watch=watch
    )
    final: _State = result.state
    reconstruction = final.reconstruction
    return Restoration.of(
        result,
        final.image,
        reconstruction.mean,
        reconstruction.latents,
        evaluations=result.steps + 1,
        temperature=knobs.temperature,
    )
