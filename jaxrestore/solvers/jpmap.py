"""JPMAP: joint posterior maximisation with an autoencoding prior."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from jaxrestore.priors.base import Decodes, Reconstruction, Reconstructs
from jaxrestore.pytrees import pytree
from jaxrestore.settings import count, flag, number, setting, static
from jaxrestore.solvers import checks
from jaxrestore.solvers.method import Method, Problem
from jaxrestore.solvers.objective import decoder_variance, joint_objective
from jaxrestore.solvers.results import Found
from jaxrestore.solvers.temperature import for_groups, temperature

# What the history's "branch" says of a step: whose z it took.
ENCODER, FROM_ENCODER, FROM_PREVIOUS, NONE = range(4)

_ROUND_CHANGE, _ROUND_STEPS = 1 / 255, 500  # a round of the continuation ends at
_CLOSE = 1.1  # times the target is near enough


class _State(NamedTuple):
    image: jax.Array
    decoded: Reconstruction
    scale: jax.Array  # of gamma^2, 1 without continuation
    value: jax.Array
    branch: jax.Array
    since: jax.Array
    evaluations: jax.Array
    gradients: jax.Array


@pytree
@dataclass(frozen=True, eq=False)
class JPMAP(Method):
    """Alternating descent on the joint posterior of x and z.

    Minimises, with a VAE of decoder N(mu(z), gamma^2 I) (Gonzalez et al. 2022; thesis,
    5.6, whose log-determinant has the wrong sign),

        J1(x, z) = ||Ax - y||^2 / (2 sigma^2)
                   + sum_i [(x_i - mu_i(z))^2 / (2 gamma_i^2)
                            + log gamma_i + log(2 pi) / 2]
                   - sum_l tau_l^-2 log p(z_l | z_<l)

    by exact minimisation in x and the encoder's z. As that z need not decrease J1, each
    step is the lazy cascade of the released code: the first of

        0  z = E_tau(x_k)                  the encoder's mean at tau = 1; Algorithm 3
        1  Adam on J1(x_k, .) from E_tau(x_k)
        2  Adam on J1(x_k, .) from z_k

    that is below J1(x_k, z_k) after its step in x. The released code takes the last
    one whatever it gives; here it must lower J1, too, and otherwise the step is
    refused (3) and the run has STALLED. So J1 never increases. The history's
    "branch" says which was taken.

    With a hierarchical VAE at tau < 1 this is PnP-HVAE with a safeguard: Algorithm 3
    minimises group by group and misses the joint minimum (what Proposition 5.2 drops,
    C_l, depends on z_<l), so that alternating with it may raise J1; here a few
    `descent_steps` mend that.

    ``continuation=True`` looks for the z alone, x = mu(z) (MAP-z): the decoder's
    precision starts at 0.1 / gamma^2 and is multiplied, when x and z have settled, by
    exp(growth * (mean((x - mu(z))^2) - target^2)). The run is done when x settles
    within 1.1 `target` of mu(z). J1 is then non-increasing between those moments.

    z^0 is the prior's mean; x^0 by default the observation's own starting image (the
    released code: A'y). `image` of the result is x_K, `mean` is mu(z_K).

    Attributes:
        prior: a `VAE`, or what else `Decodes` and `Reconstructs`.
        temperature: tau in (0, 1], one number or one for each latent group.
        decoder_std: gamma in [0, 1] units, a number or (H, W, C); None: the prior's.
        encoder_noise: noise level that the encoder is told, for priors that listen.
        descent_rate: Adam's learning rate, > 0.
        descent_tolerance: Adam stops where gamma^2 ||dJ1/dz|| / dim(z) is below.
        target: root mean square of x - mu(z) that the continuation goes towards.
        growth: how fast it gets there.
        descent_steps: most steps of Adam within one step.
        continuation: see above.
    """

    prior: Any
    temperature: Any = setting(1.0, temperature, "0.8 | 0.8:0.6 | 0.9,0.8,...")
    decoder_std: Any = setting(None, checks.decoder_std, "10/255 | predicted")
    encoder_noise: Any = setting(None, checks.encoder_noise, "told: 10/255 | none")
    descent_rate: Any = setting(0.01, checks.learning_rate, "of Adam within a step")
    descent_tolerance: Any = setting(1e-4, number(0, 1e6, above=True), "of Adam")
    target: Any = setting(1 / 255, number(0, 1, above=True), "of the continuation")
    growth: Any = setting(100.0, number(0, 1e6, above=True), "of the continuation")
    descent_steps: int = static(3000, count(), "most steps of Adam within a step")
    continuation: bool = static(False, flag, "sharpen the decoder until x = mu(z)")

    name: ClassVar = "jpmap"
    requires: ClassVar = {"prior": (Decodes, Reconstructs)}
    models: ClassVar = ("prior",)

    @property
    def descends(self) -> bool:  # type: ignore[override]
        """Not across the moments when the decoder is sharpened."""
        return not self.continuation

    def validate(self, observation):
        method = super().validate(observation)
        tau = for_groups(method.temperature, method.prior.num_groups)
        return replace(method, temperature=tau)

    def init(self, problem):
        height, width, _ = problem.start.shape
        dtype = problem.start.dtype
        decoded = self.prior.prior_mean((height, width))
        scale = jnp.full((), 10.0 if self.continuation else 1.0, dtype)
        zero, none = jnp.int32(0), jnp.int32(NONE)
        value = self._j1(problem, problem.start, decoded, scale)
        return _State(problem.start, decoded, scale, value, none, zero, zero + 1, zero)

    def step(self, problem, state):
        tau, told = self.temperature, self.encoder_noise
        encoded = self.prior.reconstruct(state.image, tau, told)
        state = state._replace(evaluations=state.evaluations + 1)
        first = self._completed(problem, state, encoded, ENCODER)
        lower = first.value < state.value
        after = lax.cond(
            lower,
            lambda: first,
            lambda: self._fallback(problem, state, encoded, ~lower),
        )
        return self._continued(problem, state, after) if self.continuation else after

    def objective(self, problem, state):
        return state.value

    def extras(self, problem, state):
        return {"branch": state.branch}

    def settled(self, problem, state):
        if not self.continuation:
            return jnp.array(True)
        gap = jnp.mean(jnp.square(state.image - state.decoded.mean))
        return gap <= (_CLOSE * self.target) ** 2

    def stalled(self, problem, state):
        return (state.branch == NONE) & (not self.continuation)

    def found(self, problem, state, steps):
        return Found(
            state.decoded.mean,
            state.decoded.latents,
            evaluations=state.evaluations,
            gradients=state.gradients,
        )

    def _variance(self, decoded: Reconstruction, scale) -> jax.Array:
        return scale * decoder_variance(decoded, self.decoder_std)

    def _j1(self, problem: Problem, image, decoded: Reconstruction, scale) -> jax.Array:
        std = jnp.sqrt(self._variance(decoded, scale))
        std = jnp.broadcast_to(std, image.shape)
        value = joint_objective(
            problem.observation, image, decoded, self.temperature, std
        )
        return value.astype(image.dtype)

    def _completed(self, problem, state: _State, decoded: Reconstruction, branch):
        """The exact step in x after a step in z."""
        variance = self._variance(decoded, state.scale)
        image = problem.observation.prox(decoded.mean, variance)
        image = image.astype(state.image.dtype)
        value = self._j1(problem, image, decoded, state.scale)
        return state._replace(
            image=image, decoded=decoded, value=value, branch=jnp.int32(branch)
        )

    def _fallback(self, problem, state: _State, encoded: Reconstruction, needed):
        """Branches 1 to 3; `needed` keeps idle elements of a batch from descending."""
        second = self._descended(problem, state, encoded, FROM_ENCODER, needed)
        lower = second.value < state.value

        def last():
            before = state._replace(
                evaluations=second.evaluations, gradients=second.gradients
            )
            still = needed & ~lower
            third = self._descended(
                problem, before, state.decoded, FROM_PREVIOUS, still
            )
            refused = state._replace(
                branch=jnp.int32(NONE),
                evaluations=third.evaluations,
                gradients=third.gradients,
            )
            taken = ~(third.value >= state.value)  # a NaN is left to the driver
            return jax.tree.map(lambda a, b: jnp.where(taken, a, b), third, refused)

        return lax.cond(lower, lambda: second, last)

    def _descended(self, problem, state: _State, start: Reconstruction, branch, needed):
        """Adam on J1(x_k, .), then the step in x."""
        height, width, _ = state.image.shape

        def j1(latents):
            decoded = self.prior.at(latents, (height, width))
            return self._j1(problem, state.image, decoded, state.scale)

        latents, count = _descend(
            j1,
            start.latents,
            self.descent_rate,
            self.descent_tolerance / jnp.mean(self._variance(start, state.scale)),
            self.descent_steps,
            needed,
        )
        spent = state._replace(
            evaluations=state.evaluations + count + 2,
            gradients=state.gradients + count + 1,
        )
        decoded = self.prior.at(latents, (height, width))
        return self._completed(problem, spent, decoded, branch)

    def _continued(self, problem, before: _State, after: _State) -> _State:
        """Sharpen the decoder where the round is over."""
        pairs = zip(after.decoded.latents, before.decoded.latents, strict=True)
        moved = _rms([after.image - before.image]) + _rms([a - b for a, b in pairs])
        over = (moved < _ROUND_CHANGE) | (after.since + 1 >= _ROUND_STEPS)
        gap = jnp.mean(jnp.square(after.image - after.decoded.mean))
        factor = jnp.exp(-self.growth * (gap - self.target**2))
        scale = jnp.where(over, factor, 1.0) * after.scale
        scale = scale.astype(after.scale.dtype)
        return after._replace(
            scale=scale,
            value=self._j1(problem, after.image, after.decoded, scale),
            since=jnp.where(over, 0, after.since + 1),
        )


def _rms(arrays: list[jax.Array]) -> jax.Array:
    total = sum(jnp.sum(jnp.square(array)) for array in arrays)
    return jnp.sqrt(total / sum(array.size for array in arrays))


def _descend(
    objective: Callable[[Any], jax.Array],
    start: Any,
    learning_rate: Any,
    tolerance: Any,
    max_steps: int,
    needed: Any,
) -> tuple[Any, jax.Array]:
    """Adam on latents until the gradient's norm over their number is small.

    Returns:
        The last latents and the number of steps (none unless `needed`); one gradient
        more than steps was computed.
    """
    adam = optax.adam(learning_rate)
    size = sum(leaf.size for leaf in jax.tree.leaves(start))
    slope_of = jax.grad(objective)

    def steep(carry):
        _, slope, _, count = carry
        steep_enough = optax.tree.norm(slope) / size >= tolerance
        return needed & steep_enough & (count < max_steps)

    def down(carry):
        latents, slope, moments, count = carry
        updates, moments = adam.update(slope, moments)
        latents: Any = optax.apply_updates(latents, updates)
        return latents, slope_of(latents), moments, count + 1

    carry = start, slope_of(start), adam.init(start), jnp.int32(0)
    latents, _, _, count = lax.while_loop(steep, down, carry)
    return latents, count
