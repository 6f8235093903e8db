"""VBLE: variational Bayes in the latent space of an autoencoder."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxrestore.errors import InputError
from jaxrestore.nets.convolution import input_gradients
from jaxrestore.priors.base import Decodes, Reconstruction, Reconstructs
from jaxrestore.pytrees import pytree
from jaxrestore.settings import choice, count, flag, number, setting, static
from jaxrestore.solvers import checks
from jaxrestore.solvers.method import Method, Problem
from jaxrestore.solvers.posterior import Posterior
from jaxrestore.solvers.results import Found, Restoration
from jaxrestore.solvers.stopping import Stopping
from jaxrestore.solvers.vble_point import (
    SHARES,
    Noise,
    Point,
    Terms,
    bounded,
    moved,
    widths_of,
)

FAMILIES = ("auto", "uniform", "gaussian", "dirac")
_SEEN = (-0.1, 1.1)  # values of images that the data term sees
_LOG_WIDTH = {"uniform": 0.0, "gaussian": -3.0}


class _State(NamedTuple):
    point: Point
    moments: Any
    drawn: jax.Array  # steps so far
    value: jax.Array
    image: jax.Array


@pytree
@dataclass(frozen=True, eq=False)
class VBLE(Method):
    """The posterior of the latents of an image, by variational inference.

    Minimises over the middle m and the width a > 0 of q(z) = m + a u, elementwise,

        ( E_q ||A D(z) - y||^2 / (2 sigma^2) + weight KL(q(z) || p(z)) ) / (H W)

    with z all latents (z and h of a `CAE`), u uniform on +-1/2 (of a `CAE`, whose
    encoder has that noise) or standard normal (of a VAE), or a = 0 (MAP-z). KL is
    E_q[-log p(z)] - sum log a by draws, or 1/2 sum(a^2 + m^2 - 1) - sum log a where
    p(z) = N(0, I). Weight 1 is Bayes' rule with a decoder without deviation.

    As released (Biquard et al. 2024): Adam on m and log a with the gradient's norm
    clipped, `samples` draws of u a step, D(z) clipped to [-0.1, 1.1] in the data term,
    a within [1.5e-5, 20] by bounds that let the gradient back, a = 1 (uniform) or e^-3
    (Gaussian) at first. m starts at the encoding of x^0, of h, too, where the released
    code starts at h = 0.

    `image` and `mean` of the result are D(m), the estimate MMSE-z; `posterior` draws
    images of q, whose mean is MMSE-x. K steps take K passes each way and one more.

    Attributes:
        prior: a `CAE` or a VAE, or what else `Decodes`.
        weight: of the divergence, lambda in the article's tables, >= 0.
        rate: lambda of a `CAE` for several rates; None: the prior's own.
        learning_rate: of Adam, > 0.
        clip_norm: largest norm of a gradient, > 0.
        samples: draws of q a step, >= 1.
        hyper: fit q of h, too; False, of a `CAE`: h is the encoding of m.
        family: of q, see above; "auto": what suits the prior.
    """

    prior: Any
    weight: Any = setting(1.0, number(0, 1e6), "of the divergence from the prior")
    rate: Any = setting(
        None, number(0, 1e3, above=True, none=True), "of an autoencoder | none: its own"
    )
    learning_rate: Any = setting(0.1, checks.learning_rate, "of Adam")
    clip_norm: Any = setting(20.0, number(0, 1e9, above=True), "of the gradient")
    samples: int = static(1, count(), "draws a step")
    hyper: bool = static(True, flag, "fit q of a hyper-latent, too")
    family: str = static("auto", choice(*FAMILIES), " | ".join(FAMILIES))

    name: ClassVar = "vble"
    requires: ClassVar = {"prior": (Decodes,)}
    models: ClassVar = ("prior",)
    max_steps: ClassVar = 300
    stopping: ClassVar = Stopping(tolerance=0.0)
    descends: ClassVar = True  # draws of images may well lie further and further apart
    shares: ClassVar[bool] = False  # q(x | z) has a width of its own

    def validate(self, observation):
        method = super().validate(observation)
        if method.rate is not None:
            if not hasattr(method.prior, "at_rate"):
                raise InputError(
                    f"rate={method.rate}: a {type(method.prior).__name__} has no rates,"
                    " expected none"
                )
            method.prior.at_rate(method.rate)
        if not (method.hyper or hasattr(method.prior, "hyper_encode")):
            raise InputError(
                f"hyper={method.hyper}: a {type(method.prior).__name__} has no"
                " hyper-latent, expected True"
            )
        return method

    def init(self, problem):
        start = problem.start
        mean = encoded(self._model, start)
        mean = mean if self.hyper else mean[1:]
        widths: tuple = ()
        if self._family != "dirac":
            first = _LOG_WIDTH[self._family]
            widths = tuple(jnp.full_like(m, first) for m in mean)
        share = jnp.zeros_like(start) if self.shares else None
        point = Point(mean, widths, share)
        zero = jnp.zeros((), start.dtype)
        params: Any = point
        return _State(point, self._adam.init(params), jnp.int32(0), zero, start)

    def step(self, problem, state):
        return self.update(problem, state, self._noise(problem, state))

    def update(self, problem: Problem, state: _State, noise: Noise) -> _State:
        """One step of Adam with given draws."""

        def value(point):
            terms = self.terms(problem, point, noise)
            return terms.misfit + self.weight * terms.divergence, terms.image

        (cost, image), slope = jax.value_and_grad(value, has_aux=True)(state.point)
        params: Any = state.point
        updates, moments = self._adam.update(slope, state.moments)
        point: Any = optax.apply_updates(params, updates)
        return _State(point, moments, state.drawn + 1, cost, image)

    def terms(self, problem: Problem, point: Point, noise: Noise) -> Terms:
        """The objective's terms by these draws, differentiable in the point."""
        height, width, _ = problem.start.shape
        latents = moved(point.mean, widths_of(point), noise.latents)
        latents = self._whole(point, latents)
        with input_gradients():
            decoded = jax.vmap(lambda z: self._model.at(z, (height, width)))(latents)
        images, share = decoded.mean, 0.0
        if point.log_share is not None and noise.image is not None:
            b = bounded(point.log_share, SHARES)
            images = images + b * self._deviation(decoded) * noise.image
            share = jnp.sum((b**2 - 1) / 2 - jnp.log(b))
        misfits = jax.vmap(problem.observation.neg_log_likelihood)(
            jnp.clip(images, *_SEEN)
        )
        divergence = self._divergence(point, decoded) + share
        pixels = height * width
        return Terms(misfits.mean() / pixels, divergence / pixels, images[0])

    def objective(self, problem, state):
        return state.value

    def found(self, problem, state, steps):
        height, width, _ = problem.start.shape
        point, share, widths = state.point, None, widths_of(state.point)
        latents = self._whole(point, tuple(m[None] for m in point.mean))
        latents = tuple(z[0] for z in latents)
        decoded = self._model.at(latents, (height, width))
        if widths and not self.hyper:
            widths = (jnp.zeros_like(latents[0]), *widths)
        if point.log_share is not None:
            share = bounded(point.log_share, SHARES)
        return Found(
            decoded.mean,
            latents,
            evaluations=steps * self.samples + 2,
            gradients=steps * self.samples,
            image=decoded.mean,
            spread=(widths, share),
        )

    def posterior(self, result: Restoration) -> Posterior:
        """q as a sampler of images, for `sample`, from what `restore` returned."""
        assert result.spread is not None
        widths, share = result.spread
        box = self._family == "uniform"
        return Posterior(self._model, result.latents, widths, share, None, box)

    @property
    def _model(self) -> Any:
        return self.prior if self.rate is None else replace(self.prior, rate=self.rate)

    @property
    def _family(self) -> str:
        if self.family != "auto":
            return self.family
        return "uniform" if getattr(self.prior, "box", False) else "gaussian"

    @property
    def _adam(self) -> optax.GradientTransformation:
        clip = optax.clip_by_global_norm(self.clip_norm)
        return optax.chain(clip, optax.adam(self.learning_rate))

    def _whole(self, point: Point, latents: tuple) -> tuple[jax.Array, ...]:
        """Draws (S, ...) of all groups from those of the fitted ones."""
        if self.hyper:
            return latents
        h = self._model.hyper_encode(point.mean[0])
        return (jnp.broadcast_to(h, (len(latents[0]), *h.shape)), *latents)

    def _noise(self, problem: Problem, state: _State) -> Noise:
        if problem.key is None:
            raise InputError(f"key: missing, {self.name} draws and needs a random key")
        draw = jax.random.normal if self._family == "gaussian" else _boxes
        key = jax.random.fold_in(problem.key, state.drawn)
        *keys, last = jax.random.split(key, len(state.point.mean) + 1)
        latents = tuple(
            draw(k, (self.samples, *m.shape), m.dtype)
            for k, m in zip(keys, state.point.mean, strict=True)
        )
        image = None
        if self.shares:
            shape = self.samples, *problem.start.shape
            image = jax.random.normal(last, shape, problem.start.dtype)
        return Noise(latents, image)

    def _divergence(self, point: Point, decoded: Reconstruction) -> jax.Array:
        """KL(q || p) in nats, up to a constant; of a point q, -log p(z)."""
        widths = widths_of(point)
        entropy: Any = sum(jnp.log(a).sum() for a in widths)
        if self._family != "uniform" and getattr(self.prior, "standard_normal", False):
            squares: Any = sum(jnp.sum(m**2) for m in point.mean)
            squares += sum(jnp.sum(a**2 - 1) for a in widths)
            return squares / 2 - entropy
        return -decoded.log_prior.sum(-1).mean() - entropy

    def _deviation(self, decoded: Reconstruction) -> jax.Array:
        """sigma(z) of p(x | z)."""
        fixed = getattr(self, "fixed_deviation", True)
        return jax.lax.stop_gradient(decoded.std) if fixed else decoded.std


@pytree
@dataclass(frozen=True, eq=False)
class VBLEXZ(VBLE):
    """The posterior of latents and image together, by variational inference.

    As `VBLE`, and q(x | z) = N(D(z), (b sigma(z))^2) beside p(x | z) = N(D(z),
    sigma(z)^2), b of each value of x, so that x may leave the generator's range:
    minimises

        ( E_q ||A x - y||^2 / (2 sigma^2) + weight (KL(q(z) || p(z))
          + sum(b^2 / 2 - log b)) ) / (H W)

    over m, a and b. (The slides print the last sums with the other sign, unbounded
    below.) b lies within [1e-4, 3] and starts at 1; sigma(z) is the prior's: gamma, or
    what a second decoder predicts. For a mask, b^2 -> 1 / (1 + sigma(z)^2 / sigma^2)
    where a pixel was seen, 1 elsewhere, the variance of x given z and y; the mean
    stays D(z).

    Attributes:
        fixed_deviation: sigma(z) is held fixed in the gradient.
    """

    fixed_deviation: bool = static(True, flag, "sigma(z) fixed in the gradient")

    name: ClassVar = "vble_xz"
    shares: ClassVar = True


def encoded(prior: Any, image: jax.Array) -> tuple[jax.Array, ...]:
    """The middle of q(z | x): one array per latent group."""
    if isinstance(prior, Reconstructs):
        return tuple(prior.reconstruct(image, jnp.ones((), image.dtype)).latents)
    return tuple(prior.encode(image))


def _boxes(key, shape, dtype) -> jax.Array:
    return jax.random.uniform(key, shape, dtype, -0.5, 0.5)
