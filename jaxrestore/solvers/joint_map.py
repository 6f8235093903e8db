"""Adam on the joint posterior of image and latents: the baseline of PnP-HVAE."""

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax

from jaxrestore.likelihoods import Observation
from jaxrestore.priors.base import HierarchicalPrior
from jaxrestore.solvers import settings
from jaxrestore.solvers import temperature as temperatures
from jaxrestore.solvers.adam import Adam, State, View
from jaxrestore.solvers.driver import Stopping, run
from jaxrestore.solvers.objective import joint_objective
from jaxrestore.solvers.restoration import Restoration


def joint_map(
    prior: HierarchicalPrior,
    observation: Observation,
    *,
    temperature: Any = 0.8,
    decoder_std: Any = 10 / 255,
    learning_rate: Any = 0.01,
    encoder_noise: Any = None,
    max_steps: int = 500,
    tolerance: Any = 1e-4,
    patience: Any = None,
    improvement: Any = 1e-3,
    watch: str = "change",
    history: bool = True,
    start: jax.Array | None = None,
    latents: Any = None,
) -> Restoration:
    """Restore one image by gradient descent (Adam) on x and all z at once.

    Minimises the objective of `pnp_hvae`, eq. (5.18) of the thesis,

        J1(x, z) = ||Ax - y||^2 / (2 sigma^2)
                   + sum_i [(x_i - mu_i(z))^2 / (2 gamma_i^2)
                            + log gamma_i + log(2 pi) / 2]
                   - sum_l tau_l^-2 log p(z_l | z_<l)

    by Adam (betas 0.9 and 0.999, epsilon 1e-8) with backpropagation through the
    decoder. K steps evaluate the decoder and its gradient K + 1 times; the history's
    objective is J1 of the iterate. The released code weights the data term by
    m^-1 and the others by n^-1 (m measured, n image values) and starts from a random
    draw of q(z | x^0); here the weights are those of (5.18) and the start is
    z^0 = E_tau(x^0), that of `pnp_hvae`.

    Compiles once per shape and works under `jax.jit` and `jax.vmap`, like `pnp_hvae`.

    Args:
        prior: a hierarchical prior with `at`.
        observation: y, the operator and the noise level.
        temperature: tau in (0, 1], a scalar or one per latent group, coarsest first.
        decoder_std: gamma in [0, 1] units, a number or (H, W, C); None: predicted.
        learning_rate: > 0, of image ([0, 1] units) and latents; thesis: 0.01, 0.001.
        encoder_noise: noise level that the encoder is told for z^0.
        max_steps: static, largest number of steps.
        tolerance: stop at this relative change of x, >= 0.
        patience: plateau rule, see `Stopping`; None: no such rule.
        improvement: what the plateau rule calls an improvement, in [0, 1).
        watch: static, what the plateau rule follows: "change" or "objective".
        history: static, record residual, objective and contraction ratio.
        start: x^0 (H, W, C); None: the observation's own starting image.
        latents: z^0, one array per group; None: E_tau(x^0).

    Returns:
        `image` is x_K, what the published experiments score; `mean` is mu(z_K).

    Raises:
        InputError: a setting out of its range, or a start of another shape.
    """
    settings.check_watch(watch)
    settings.check_start(start, observation)
    settings.check_latents(prior, latents, observation.image_shape)
    knobs = _Knobs(
        temperatures.check(temperature, prior.num_groups),
        settings.decoder_std(decoder_std),
        settings.encoder_noise(encoder_noise),
        settings.check_number(
            "learning_rate", learning_rate, 0, 10, "a number > 0, such as 0.01"
        ),
        settings.stopping(tolerance, patience, improvement),
    )
    arrays = jax.device_put((prior, observation, knobs, start, latents))
    return _solve(
        *arrays,
        max_steps=settings.check_count("max_steps", max_steps),
        history=bool(history),
        watch=watch,
    )


class _Knobs(NamedTuple):
    temperature: Any
    decoder_std: Any
    encoder_noise: Any
    learning_rate: Any
    stopping: Stopping


class _Point(NamedTuple):
    image: jax.Array
    latents: tuple[jax.Array, ...]


@dataclass(frozen=True)
class _J1:
    """J1 of a point (x, z), with x and mu(z)."""

    prior: HierarchicalPrior
    observation: Observation
    knobs: _Knobs

    def __call__(self, point: _Point) -> tuple[jax.Array, View]:
        height, width, _ = point.image.shape
        decoded = self.prior.at(point.latents, (height, width))
        settings = self.knobs.temperature, self.knobs.decoder_std
        value = joint_objective(self.observation, point.image, decoded, *settings)
        return value, View(point.image, decoded.mean)


@functools.partial(jax.jit, static_argnames=("max_steps", "history", "watch"))
def _solve(
    prior: HierarchicalPrior,
    observation: Observation,
    knobs: _Knobs,
    start: jax.Array | None,
    latents: Any,
    *,
    max_steps: int,
    history: bool,
    watch: str,
) -> Restoration:
    image = observation.initial_image() if start is None else start
    knobs = jax.tree.map(lambda leaf: leaf.astype(image.dtype), knobs)
    encoded = int(latents is None)
    if latents is None:
        encoder = prior.reconstruct(image, knobs.temperature, knobs.encoder_noise)
        latents = encoder.latents
    start_point = _Point(image, tuple(latents))
    method = Adam(_J1(prior, observation, knobs), start_point, knobs.learning_rate)
    result = run(
        method, knobs.stopping, max_steps=max_steps, history=history, watch=watch
    )
    final: State = result.state
    return Restoration.of(
        result,
        final.point.image,
        final.view.mean,
        final.point.latents,
        evaluations=result.steps + 1 + encoded,
        gradients=result.steps + 1,
        temperature=knobs.temperature,
    )
