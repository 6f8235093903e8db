"""JPMAP: joint posterior maximisation with an autoencoding prior."""

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxrestore.likelihoods import Observation
from jaxrestore.priors.base import HierarchicalPrior, Reconstruction
from jaxrestore.solvers import settings
from jaxrestore.solvers.driver import Stopping, run
from jaxrestore.solvers.latent_descent import descend
from jaxrestore.solvers.objective import decoder_variance, joint_objective
from jaxrestore.solvers.restoration import Restoration

# What the history's "branch" says of a step: whose z it took.
ENCODER, FROM_ENCODER, FROM_PREVIOUS, NONE = range(4)

_ROUND_CHANGE, _ROUND_STEPS = 1 / 255, 500  # a round of the continuation ends at
_CLOSE = 1.1  # times the target is near enough


def jpmap(
    prior: HierarchicalPrior,
    observation: Observation,
    *,
    decoder_std: Any = None,
    encoder_noise: Any = None,
    descent_rate: Any = 0.01,
    descent_steps: int = 3000,
    descent_tolerance: Any = 1e-4,
    continuation: bool = False,
    target: Any = 1 / 255,
    growth: Any = 100.0,
    max_steps: int = 100,
    tolerance: Any = 1e-4,
    patience: Any = None,
    improvement: Any = 1e-3,
    watch: str = "change",
    history: bool = True,
    start: jax.Array | None = None,
) -> Restoration:
    """Restore one image by alternating descent on the joint posterior of x and z.

    Minimises, with a plain VAE of decoder N(mu(z), gamma^2 I) (Gonzalez et al. 2022;
    thesis, 5.6, whose log-determinant has the wrong sign),

        J1(x, z) = ||Ax - y||^2 / (2 sigma^2)
                   + sum_i [(x_i - mu_i(z))^2 / (2 gamma_i^2)
                            + log gamma_i + log(2 pi) / 2]
                   - log p(z)

    by exact minimisation in x and the encoder's mean as z. As that z need not decrease
    J1, each step is the lazy cascade of the released code: the first of

        0  z = E(x_k)
        1  Adam on J1(x_k, .) from E(x_k)
        2  Adam on J1(x_k, .) from z_k

    that is below J1(x_k, z_k) after its step in x. The released code takes the last
    one whatever it gives; here it must not increase J1 either, and otherwise the step
    is refused (3) and the run is over. So J1 never increases. The history's "branch"
    says which was taken.

    ``continuation=True`` looks for the z alone, x = mu(z) (MAP-z): the decoder's
    precision starts at 0.1 / gamma^2 and is multiplied, when x and z have settled, by
    exp(growth * (mean((x - mu(z))^2) - target^2)). The run is done when x settles
    within 1.1 `target` of mu(z). J1 is then non-increasing between those moments.

    Compiles once per shape and works under `jax.jit` and `jax.vmap`.

    Args:
        prior: a `VAE`, or any hierarchical prior with `reconstruct` and `at`; its
            groups are encoded by their means.
        observation: y, the operator and the noise level.
        decoder_std: gamma in [0, 1] units, a number or (H, W, C); None: the prior's.
        encoder_noise: noise level that the encoder is told, for priors that listen.
        descent_rate: Adam's learning rate, > 0.
        descent_steps: static, most steps of Adam within one step.
        descent_tolerance: Adam stops where gamma^2 ||dJ1/dz|| / dim(z) is below.
        continuation: static, see above.
        target: root mean square of x - mu(z) that the continuation goes towards.
        growth: how fast it gets there.
        max_steps: static, largest number of steps.
        tolerance: stop at this relative change of x, >= 0.
        patience: plateau rule, see `Stopping`; None: no such rule.
        improvement: what the plateau rule calls an improvement, in [0, 1).
        watch: static, what the plateau rule follows: "change" or "objective".
        history: static, record residual, objective, contraction ratio and branch.
        start: x^0 (H, W, C); None: the observation's own starting image (the released
            code: A'y). z^0 is the prior's mean.

    Returns:
        `image` is x_K, `mean` is mu(z_K).

    Raises:
        InputError: a setting out of its range, or a start of another shape.
    """
    settings.check_watch(watch)
    settings.check_start(start, observation)
    above = "a number above 0"
    knobs = _Knobs(
        settings.decoder_std(decoder_std),
        settings.encoder_noise(encoder_noise),
        settings.check_number("descent_rate", descent_rate, 0, 10, above),
        settings.check_number("descent_tolerance", descent_tolerance, 0, 1e6, above),
        settings.check_number("target", target, 0, 1, "an error in (0, 1]"),
        settings.check_number("growth", growth, 0, 1e6, above),
        settings.stopping(tolerance, patience, improvement),
    )
    return _solve(
        *jax.device_put((prior, observation, knobs, start)),
        descent_steps=settings.check_count("descent_steps", descent_steps),
        continuation=bool(continuation),
        max_steps=settings.check_count("max_steps", max_steps),
        history=bool(history),
        watch=watch,
    )


class _Knobs(NamedTuple):
    decoder_std: Any
    encoder_noise: Any
    descent_rate: Any
    descent_tolerance: Any
    target: Any
    growth: Any
    stopping: Stopping


class _State(NamedTuple):
    image: jax.Array
    decoded: Reconstruction
    scale: jax.Array  # of gamma^2, 1 without continuation
    value: jax.Array
    branch: jax.Array
    since: jax.Array
    evaluations: jax.Array
    gradients: jax.Array


@dataclass(frozen=True)
class _Method:
    prior: HierarchicalPrior
    observation: Observation
    knobs: _Knobs
    start: jax.Array
    descent_steps: int
    continuation: bool

    def init(self) -> _State:
        # At temperature 0 the encoder has no say: the prior's mean.
        decoded = self.prior.reconstruct(jnp.zeros_like(self.start), 0.0)
        scale = jnp.full((), 10.0 if self.continuation else 1.0, self.start.dtype)
        zero, none = jnp.int32(0), jnp.int32(NONE)
        value = self._j1(self.start, decoded, scale)
        return _State(self.start, decoded, scale, value, none, zero, zero + 1, zero)

    def step(self, state: _State) -> _State:
        tau, noise = jnp.ones((), state.image.dtype), self.knobs.encoder_noise
        encoded = self.prior.reconstruct(state.image, tau, noise)
        state = state._replace(evaluations=state.evaluations + 1)
        first = self._completed(state, encoded, ENCODER)
        lower = first.value < state.value
        after = lax.cond(
            lower, lambda: first, lambda: self._fallback(state, encoded, ~lower)
        )
        return self._continued(state, after) if self.continuation else after

    def image(self, state: _State) -> jax.Array:
        return state.image

    def objective(self, state: _State) -> jax.Array:
        return state.value

    def extras(self, state: _State) -> dict[str, jax.Array]:
        return {"branch": state.branch}

    def settled(self, state: _State) -> jax.Array:
        if not self.continuation:
            return jnp.array(True)
        gap = jnp.mean(jnp.square(state.image - state.decoded.mean))
        return gap <= (_CLOSE * self.knobs.target) ** 2

    def _variance(self, decoded: Reconstruction, scale) -> jax.Array:
        return scale * decoder_variance(decoded, self.knobs.decoder_std)

    def _j1(self, image, decoded: Reconstruction, scale) -> jax.Array:
        std = jnp.sqrt(self._variance(decoded, scale))
        std = jnp.broadcast_to(std, image.shape)
        return joint_objective(self.observation, image, decoded, jnp.ones(()), std)

    def _completed(self, state: _State, decoded: Reconstruction, branch) -> _State:
        """The exact step in x after a step in z."""
        variance = self._variance(decoded, state.scale)
        image = self.observation.prox(decoded.mean, variance)
        image = image.astype(state.image.dtype)
        value = self._j1(image, decoded, state.scale)
        return state._replace(
            image=image, decoded=decoded, value=value, branch=jnp.int32(branch)
        )

    def _fallback(self, state: _State, encoded: Reconstruction, needed) -> _State:
        """Branches 1 to 3; `needed` keeps idle elements of a batch from descending."""
        second = self._descended(state, encoded, FROM_ENCODER, needed)
        lower = second.value < state.value

        def last():
            before = state._replace(
                evaluations=second.evaluations, gradients=second.gradients
            )
            third = self._descended(
                before, state.decoded, FROM_PREVIOUS, needed & ~lower
            )
            refused = state._replace(
                branch=jnp.int32(NONE),
                evaluations=third.evaluations,
                gradients=third.gradients,
            )
            taken = ~(third.value > state.value)  # a NaN is left to the driver
            return jax.tree.map(lambda a, b: jnp.where(taken, a, b), third, refused)

        return lax.cond(lower, lambda: second, last)

    def _descended(self, state: _State, start: Reconstruction, branch, needed):
        """Adam on J1(x_k, .), then the step in x."""
        height, width, _ = state.image.shape

        def j1(latents):
            decoded = self.prior.at(latents, (height, width))
            return self._j1(state.image, decoded, state.scale)

        latents, count = descend(
            j1,
            start.latents,
            self.knobs.descent_rate,
            self.knobs.descent_tolerance / jnp.mean(self._variance(start, state.scale)),
            self.descent_steps,
            needed,
        )
        spent = state._replace(
            evaluations=state.evaluations + count + 2,
            gradients=state.gradients + count + 1,
        )
        decoded = self.prior.at(latents, (height, width))
        return self._completed(spent, decoded, branch)

    def _continued(self, before: _State, after: _State) -> _State:
        """Sharpen the decoder where the round is over."""
        pairs = zip(after.decoded.latents, before.decoded.latents, strict=True)
        moved = _rms([after.image - before.image]) + _rms([a - b for a, b in pairs])
        over = (moved < _ROUND_CHANGE) | (after.since + 1 >= _ROUND_STEPS)
        gap = jnp.mean(jnp.square(after.image - after.decoded.mean))
        factor = jnp.exp(-self.knobs.growth * (gap - self.knobs.target**2))
        scale = jnp.where(over, factor, 1.0) * after.scale
        return after._replace(
            scale=scale,
            value=self._j1(after.image, after.decoded, scale),
            since=jnp.where(over, 0, after.since + 1),
        )


def _rms(arrays: list[jax.Array]) -> jax.Array:
    total = sum(jnp.sum(jnp.square(array)) for array in arrays)
    return jnp.sqrt(total / sum(array.size for array in arrays))


@functools.partial(
    jax.jit,
    static_argnames=("descent_steps", "continuation", "max_steps", "history", "watch"),
)
def _solve(
    prior: HierarchicalPrior,
    observation: Observation,
    knobs: _Knobs,
    start: jax.Array | None,
    *,
    descent_steps: int,
    continuation: bool,
    max_steps: int,
    history: bool,
    watch: str,
) -> Restoration:
    image = observation.initial_image() if start is None else start
    knobs = jax.tree.map(lambda leaf: leaf.astype(image.dtype), knobs)
    method = _Method(prior, observation, knobs, image, descent_steps, continuation)
    result = run(
        method, knobs.stopping, max_steps=max_steps, history=history, watch=watch
    )
    final: _State = result.state
    return Restoration.of(
        result,
        final.image,
        final.decoded.mean,
        final.decoded.latents,
        evaluations=final.evaluations,
        gradients=final.gradients,
    )
