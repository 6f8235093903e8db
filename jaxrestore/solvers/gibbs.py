"""Posterior sampling with a hierarchical VAE: x and z drawn in turn."""

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxrestore.errors import InputError
from jaxrestore.priors.base import Proposes, TemperedDraw
from jaxrestore.pytrees import pytree
from jaxrestore.settings import count, number, setting, static
from jaxrestore.solvers import checks
from jaxrestore.solvers.method import Sampler
from jaxrestore.solvers.schedule import factors_at, schedule, table
from jaxrestore.solvers.temperature import for_groups, temperature

_WANTED = 0.3  # acceptance that the adaptation goes towards


class _State(NamedTuple):
    image: jax.Array
    draw: TemperedDraw
    step: jax.Array
    log_stride: jax.Array  # (blocks,)
    accepted: jax.Array  # (blocks,) 0 or 1, of the last step


@pytree
@dataclass(frozen=True, eq=False)
class Gibbs(Sampler):
    """PnP-HVAE with draws in the place of its two minimisations (thesis, 7.2.3).

    The law to draw from is

        p(x, z | y)  ~  p(y | A x) N(x; mu(z), gamma^2) prod_l p_tau(z_l | z_<l)

    with p_tau(z_l | z_<l) = N(mean, tau_l^2 variance) of the prior, normalised: what
    `prior.sample` at that temperature and a decoder of deviation gamma draw from.
    (exp(-J1) leaves their normalisers out, which depend on z_<l.) A step is

        x ~ p(x | z, y)                                         exact, by perturbation
        z_l ~ q(z_l | z_<l, x) p(z_l | z_<l)^(1/tau_l^2 - 1)    coarse to fine

    The second draw is one of p(z | x) where q is the posterior at temperature 1, and,
    with one latent group, at any. Otherwise the chain ends in a law near that above
    ("pseudo-Gibbs"), at one pass through the network a step.

    ``blocks=B`` corrects it: the groups are cut into B runs of neighbours, and each in
    turn is moved and accepted or refused by Metropolis and Hastings, at B + 1 walks a
    step. With e the noise that makes z of x (`Proposes`) the groups of a block move to

        e' = sqrt(1 - r^2) e + r n,   n standard normal,

    the others keep their e, so that finer groups follow coarser ones, and z' is taken
    with probability min(1, w(z') / w(z)),

        w(z) = N(x; mu(z), gamma^2) prod_l p_tau(z_l | z_<l) / q_tau(z_l | z_<l, x).

    r starts at `stride` and is adapted, for each block, during the first `adapt` steps,
    which are to be burnt in. What share of the moves is taken is told for each block
    (the trace `accepted`); where it is next to nothing at any useful r, take the
    uncorrected chain.

    `start` of `sample` is x^0. `warm_start` takes steps of PnP-HVAE from there (both
    minimisations), once for all chains; a `schedule` multiplies temperature, gamma and
    told noise in the first steps, as in `PnPHVAE`, which are to be burnt in, too.

    Attributes:
        prior: what `Proposes`.
        temperature: tau in (0, 1], one number or one for each latent group.
        decoder_std: gamma > 0 in [0, 1] units, a number or (H, W, C); None: what the
            decoder predicts, per pixel.
        encoder_noise: noise level that the encoder is told, for priors that listen.
        schedule: None, or what the settings are multiplied by from step to step.
        stride: r in (0, 1]; 1 draws a block afresh.
        adapt: first steps in which r is adapted.
        blocks: None: no correction. B in 1 .. L: how many blocks are corrected.
        warm_start: steps of PnP-HVAE before the first draw.
    """

    prior: Any
    temperature: Any = setting(1.0, temperature, "0.8 | 0.8:0.6 | 0.9,0.8,...")
    decoder_std: Any = setting(None, checks.decoder_std, "10/255 | predicted")
    encoder_noise: Any = setting(None, checks.encoder_noise, "told: 10/255 | none")
    schedule: Any = setting(None, schedule, "5:8: 5 times as large at first | none")
    stride: Any = setting(1.0, number(0, 1, above=True), "of corrected moves")
    adapt: Any = setting(0, count(0), "first steps that adapt the stride")
    blocks: int | None = static(None, count(none=True), "to correct; none: no")
    warm_start: int = static(0, count(0), "steps of PnP-HVAE before the first draw")

    name: ClassVar = "gibbs"
    requires: ClassVar = {"prior": (Proposes,)}
    models: ClassVar = ("prior",)
    chains: ClassVar = 4
    markov: ClassVar = True

    def validate(self, observation):
        method = super().validate(observation)
        groups = method.prior.num_groups
        if method.blocks is not None and method.blocks > groups:
            raise InputError(
                f"blocks={method.blocks}: expected at most {groups}, the prior's number"
                " of latent groups"
            )
        tau = for_groups(method.temperature, groups)
        factors = table(method.schedule)
        return replace(method, temperature=tau, schedule=factors)

    def init(self, problem):
        first, dtype = jnp.int32(0), problem.start.dtype

        def improved(_, image):
            skips, tau, shape = self._encoded(image, first)
            best = self.prior.drawn(skips, self._noise(shape), tau, shape)
            std = self._decoder_std(best, first)
            return problem.observation.prox(best.decoded.mean, std**2).astype(dtype)

        image = problem.start
        if self.warm_start:
            image = lax.fori_loop(0, self.warm_start, improved, image)
        skips, tau, shape = self._encoded(image, first)
        draw = self.prior.drawn(skips, self._noise(shape, problem.key), tau, shape)
        strides = jnp.full(self.blocks or 0, jnp.log(self.stride), dtype)
        return _State(image, draw, first, strides, jnp.zeros_like(strides))

    def step(self, problem, state, key):
        x_key, z_key = jax.random.split(key)
        std = self._decoder_std(state.draw, state.step)
        mean = state.draw.decoded.mean
        image = problem.observation.sample(x_key, mean, std).astype(state.image.dtype)
        state = state._replace(image=image, step=state.step + 1)
        skips, tau, shape = self._encoded(image, state.step)
        if self.blocks:
            return self._corrected(state, skips, tau, shape, z_key)
        draw = self.prior.drawn(skips, self._noise(shape, z_key), tau, shape)
        return state._replace(draw=draw)

    def expected(self, problem, state):
        """E[x | z, y], z the latents of the state: one exact data step more."""
        std = self._decoder_std(state.draw, state.step)
        mean = state.draw.decoded.mean
        return problem.observation.prox(mean, std**2).astype(state.image.dtype)

    def trace(self, problem, state):
        found = {
            "misfit": problem.observation.neg_log_likelihood(state.image),
            "log_prior": state.draw.decoded.log_prior.sum(),
        }
        return found | ({"accepted": state.accepted} if self.blocks else {})

    def walks(self, steps: Any) -> Any:
        """Passes through the network of a chain of so many steps, all its own."""
        return self.warm_start + 1 + steps * ((self.blocks or 0) + 1)

    def _corrected(self, state: _State, skips, tau, shape, key) -> _State:
        """Metropolis-Hastings, one block of groups after the other."""
        blocks = len(state.accepted)
        current = self.prior.placed(skips, state.draw.decoded.latents, tau, shape)
        block_of = jnp.arange(self.prior.num_groups) * blocks // self.prior.num_groups

        def move(carry, inputs):
            current, value = carry
            number, key, stride = inputs
            noise_key, key = jax.random.split(key)
            pairs = zip(current.noise, self._noise(shape, noise_key), strict=True)
            keep = jnp.sqrt(1 - stride**2)
            noise = tuple(
                jnp.where(block_of[group] == number, keep * e + stride * n, e)
                for group, (e, n) in enumerate(pairs)
            )
            other = self.prior.drawn(skips, noise, tau, shape)
            weight = self._log_weight(state, other)
            taken = jnp.log(jax.random.uniform(key)) < weight - value
            carry = jax.tree.map(
                lambda a, b: jnp.where(taken, a, b), (other, weight), (current, value)
            )
            return carry, taken

        strides = jnp.exp(state.log_stride)
        inputs = jnp.arange(blocks), jax.random.split(key, blocks), strides
        start = current, self._log_weight(state, current)
        (draw, _), taken = lax.scan(move, start, inputs)
        accepted = taken.astype(state.accepted.dtype)
        gain = jnp.where(state.step <= self.adapt, state.step**-0.6, 0.0)
        strides = state.log_stride + gain * (accepted - _WANTED)
        strides = jnp.minimum(strides, 0).astype(state.log_stride.dtype)
        return state._replace(draw=draw, accepted=accepted, log_stride=strides)

    def _log_weight(self, state: _State, draw: TemperedDraw) -> jax.Array:
        std = self._decoder_std(draw, state.step)
        scaled = (state.image - draw.decoded.mean) / std
        volume = jnp.log(std * jnp.ones_like(scaled))
        return draw.log_weight.sum() - jnp.sum(scaled**2 / 2 + volume)

    def _encoded(self, image, step) -> tuple[Any, Any, tuple[int, int]]:
        """What the encoder makes of an image, the temperature, and its (H, W)."""
        tau, _, noise = factors_at(self.schedule, step)
        told = None if self.encoder_noise is None else noise * self.encoder_noise
        skips = self.prior.skips(image, told)
        return skips, jnp.minimum(tau * self.temperature, 1), image.shape[:2]

    def _decoder_std(self, draw: TemperedDraw, step) -> jax.Array:
        _, gamma, _ = factors_at(self.schedule, step)
        return gamma * (
            draw.decoded.std if self.decoder_std is None else self.decoder_std
        )

    def _noise(self, shape, key=None) -> tuple[jax.Array, ...]:
        """Standard normal, one array per group; zeros without a key."""
        shapes = self.prior.latent_shapes(shape)
        ends = np.cumsum([math.prod(s) for s in shapes])
        dtype = jnp.result_type(self.temperature, jnp.float32)
        # In one piece: each draw by itself takes long to compile.
        flat = jnp.zeros(ends[-1], dtype)
        if key is not None:
            flat = jax.random.normal(key, flat.shape, dtype)
        pairs = zip(jnp.split(flat, ends[:-1]), shapes, strict=True)
        return tuple(part.reshape(s) for part, s in pairs)
