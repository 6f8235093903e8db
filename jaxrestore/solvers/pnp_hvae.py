"""PnP-HVAE: restoration with a hierarchical VAE (thesis, Algorithm 4)."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from jaxrestore.priors.base import Reconstruction, Reconstructs
from jaxrestore.pytrees import pytree
from jaxrestore.settings import choice, count, flag, number, setting, static
from jaxrestore.solvers import checks, views
from jaxrestore.solvers.method import Method, Problem
from jaxrestore.solvers.objective import joint_objective
from jaxrestore.solvers.results import Found
from jaxrestore.solvers.schedule import factors_at, schedule, table
from jaxrestore.solvers.stopping import Stopping
from jaxrestore.solvers.temperature import for_groups, temperature
from jaxrestore.solvers.tv import TV


class State(NamedTuple):
    """x^k with the reconstruction of it."""

    image: jax.Array
    reconstruction: Reconstruction
    step: jax.Array  # the row of the schedule that the reconstruction is of


@pytree
@dataclass(frozen=True, eq=False)
class PnPHVAE(Method):
    """Encoder, decoder and data step in turn (thesis, Algorithm 4).

    Comes from alternating minimisation of the joint MAP objective, eq. (5.18),

        J1(x, z) = ||Ax - y||^2 / (2 sigma^2)
                   + sum_i [(x_i - mu_i(z))^2 / (2 gamma_i^2)
                            + log gamma_i + log(2 pi) / 2]
                   - sum_l tau_l^-2 log p(z_l | z_<l)

    (the constant of p(y | x) and the normalisers of the tempered priors are dropped):

        z^{k+1} = E_tau(x^k)                                     Algorithm 3
        x^{k+1} = argmin_x ||Ax - y||^2 / (2 sigma^2)
                           + sum_i (x_i - mu_i(z^{k+1}))^2 / (2 gamma_i^2)

    The step in x is exact. That in z is greedy, each latent group given those above,
    and by the encoder in place of p(z | x): J1 may rise. It cannot where q = p(z | x)
    and either tau = 1 or L = 1 (the thesis' Prop. 5.2 says more; docs/fidelity.md).
    Hence x^{k+1} = prox_{gamma^2 f}(HVAE(x^k)) (Prop. 5.3). The state carries x^k with
    its reconstruction, hence K steps evaluate the network K + 1 times, and the
    returned `mean` and `latents` belong to the returned `image`. The history's
    objective is J1 of such a pair, (x^k, E_tau(x^k)).

    Continuation: with a schedule f_0 .. f_{K-1}, gamma, the told noise and tau of
    x^{k+1} and of the reconstruction behind it are f_k times the settings, f_{K-1} from
    k = K - 1 on. The run neither converges nor ends as a plateau before; where
    f_{K-1} = 1 its fixed point is that of the settings (Prop. 5.5), whatever came
    before. Told noise and gamma must fall together: then the encoder is told what the
    data step leaves in x. (Networks trained for denoising over-smooth at their fixed
    points; `presets` end their runs with the schedule, by a tolerance of 0.03.) J1 is
    that of the settings of the step.

    Attributes:
        prior: what `Reconstructs`.
        temperature: tau in (0, 1], one number or one for each latent group.
        decoder_std: gamma > 0 in [0, 1] units, a number or (H, W, C); None: what the
            decoder predicts, per pixel.
        encoder_noise: noise level in [0, 1] units that the encoder is told, for
            priors trained for denoising; None: the prior's own choice.
        schedule: None, or what the settings are multiplied by from evaluation to
            evaluation, (K, 3); see `solvers.schedule`.
        views: what the network sees of the image in turn along the schedule, so that
            what it does to one side alone averages out: "horizontal", mirrored and as
            it is; "flips", upside down, too; "shifts", each of the four flips moved
            by a pixel of its own on the grid of the network's blocks, for priors of
            any size. The image as it is from the schedule's end on, or at the last
            step that is allowed. Without a schedule that is all along. (A run that
            diverges in between returns latents of another view. Those of "shifts",
            and log p(z) in J1, are of a canvas, `views.canvas`.)
        averaged: the returned mean is that of the decoder means of all views of x_K,
            and no longer that of the latents; as many evaluations more as there are
            others.
        tv_start: None: x^0 is what the run is given. w: what `TV(w)` makes of that in
            its 150 steps at most; it fills holes with edges where the observation's own
            fill is smooth.
        cg_steps: None: exact data step. n: n steps of conjugate gradients from the
            decoder mean, 1 being what the released code does.
    """

    prior: Reconstructs
    temperature: Any = setting(
        0.8, temperature, "0.8 | 0.8:0.6 | 0.9,0.8,...; lower trusts the prior more"
    )
    decoder_std: Any = setting(10 / 255, checks.decoder_std, "10/255 | predicted")
    encoder_noise: Any = setting(None, checks.encoder_noise, "told: 10/255 | none")
    schedule: Any = setting(
        None, schedule, "5:8: 5 times as large at first, held from the 8th on | none"
    )
    views: str = static("none", choice(*views.VIEWS), "in turn along the schedule")
    averaged: bool = static(False, flag, "the mean over all views in the end")
    tv_start: Any = setting(
        None, number(0, 1e9, above=True, none=True), "total variation's weight | none"
    )
    cg_steps: int | None = static(
        None, count(none=True), "of the data step; none: exact"
    )

    name: ClassVar = "pnp_hvae"
    requires: ClassVar = {"prior": (Reconstructs,)}
    models: ClassVar = ("prior",)
    max_steps: ClassVar = 50
    stopping: ClassVar = Stopping(tolerance=2e-3)

    def validate(self, observation):
        method = super().validate(observation)
        tau = for_groups(method.temperature, method.prior.num_groups)
        views.check(method.views, method.prior)
        factors = table(method.schedule)
        return replace(method, temperature=tau, schedule=factors)

    def init(self, problem):
        start = problem.start
        if self.tv_start is not None:
            first = TV(self.tv_start)
            asked = problem._replace(max_steps=first.max_steps)
            start = first.solve(asked, first.stopping, history=False).image
        return self._at(problem, start, jnp.int32(0))

    def step(self, problem, state):
        image = self.data_step(problem, state)
        return self._at(problem, image, state.step + 1)

    def data_step(self, problem: Problem, state: State) -> jax.Array:
        """x^{k+1} from x^k and its reconstruction."""
        mean, std = state.reconstruction.mean, self._decoder_std(state)
        image = problem.observation.prox(mean, std**2, cg_steps=self.cg_steps)
        return image.astype(state.image.dtype)

    def at(self, problem, state, image):
        return self._at(problem, image, state.step)

    def _at(self, problem: Problem, image: jax.Array, step: jax.Array) -> State:
        which = self.view(problem.max_steps, step)
        return State(image, self.reconstruction(image, step, which), step)

    def reconstruction(self, image: jax.Array, step: Any, which: Any) -> Reconstruction:
        """HVAE of an image by one view, with the settings of a step."""
        tau, told = self._told(step)
        canvas = views.canvas(self.used_views, self.prior, image.shape)
        seen = views.see(self.used_views, which, image, canvas)
        found = self.prior.reconstruct(seen, tau, told)
        mean, std = (
            views.undo(self.used_views, which, a, image.shape)
            for a in (found.mean, found.std)
        )
        return replace(found, mean=mean, std=std)

    def view(self, max_steps: int, step: Any) -> jax.Array:
        """Which view x^step is seen by; 0: as it is."""
        last = min(len(self.schedule) - 1, max_steps)
        return jnp.maximum(last - step, 0) % len(views.VIEWS[self.used_views])

    @property
    def used_views(self) -> str:
        """The kind of views; one view is all that a run of one entry has use for."""
        turns = self.averaged or len(table(self.schedule)) > 1
        return self.views if turns else "none"

    @property
    def other_views(self) -> int:
        """How many evaluations the returned mean takes beside those of the steps."""
        return len(views.VIEWS[self.views]) - 1 if self.averaged else 0

    def _told(self, step: jax.Array) -> tuple[Any, Any]:
        """Temperature and noise level that the encoder is told."""
        tau, _, noise = factors_at(self.schedule, step)
        told = None if self.encoder_noise is None else noise * self.encoder_noise
        return jnp.minimum(tau * self.temperature, 1), told

    def _decoder_std(self, state: State) -> jax.Array:
        _, gamma, _ = factors_at(self.schedule, state.step)
        own = state.reconstruction.std if self.decoder_std is None else self.decoder_std
        return gamma * own

    def settled(self, problem, state):
        return state.step >= len(self.schedule) - 1

    def objective(self, problem: Problem, state: State) -> jax.Array:
        return joint_objective(
            problem.observation,
            state.image,
            state.reconstruction,
            self._told(state.step)[0],
            self._decoder_std(state),
        )

    def found(self, problem, state, steps):
        return Found(
            self._mean(problem, state),
            state.reconstruction.latents,
            evaluations=steps + 1 + self.other_views,
            temperature=self._told(state.step)[0],
        )

    def _mean(self, problem: Problem, state: State) -> jax.Array:
        """mu of the state, or the mean of all views where that is finite."""
        others, own = self.other_views, state.reconstruction.mean
        if not others:
            return own
        first = self.view(problem.max_steps, state.step)

        def add(i, total):
            which = (first + i) % (1 + others)
            return total + self.reconstruction(state.image, state.step, which).mean

        mean = jax.lax.fori_loop(1, 1 + others, add, own) / (1 + others)
        return jnp.where(jnp.isfinite(mean).all(), mean, own)
