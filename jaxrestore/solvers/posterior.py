"""A variational posterior as a sampler of images."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple, Self

import jax
import jax.numpy as jnp

from jaxrestore.priors.base import Decodes
from jaxrestore.pytrees import pytree
from jaxrestore.solvers.method import Sampler


class _State(NamedTuple):
    image: jax.Array


@pytree
@dataclass(frozen=True, eq=False)
class Posterior(Sampler):
    """Independent draws of x with z of q, m + a u: what `VBLE.posterior` returns.

    x is D(z), plus b sigma(z) times a standard normal where b is given. The draws are
    independent of y and of each other: `sample` needs no burn-in.

    Attributes:
        prior: what `Decodes`.
        middle: m, one array per latent group, the coarsest first.
        widths: a, of the same shapes; () where q is a point.
        share: b, (H, W, C), or None.
        centre: (H, W, C): |x - centre| is drawn instead, whose quantiles bound errors;
            or None.
        box: u is uniform on +-1/2; else standard normal.
    """

    prior: Any
    middle: tuple[jax.Array, ...]
    widths: tuple[jax.Array, ...]
    share: Any = None
    centre: Any = None
    box: bool = field(default=True, metadata={"static": True})

    name: ClassVar = "posterior"
    requires: ClassVar = {"prior": (Decodes,)}
    models: ClassVar = ("prior",)

    def about(self, centre: jax.Array) -> Self:
        """The same, drawing the size of the error |x - centre|."""
        return replace(self, centre=centre)

    def init(self, problem):
        return _State(jnp.zeros_like(problem.start))

    def step(self, problem, state, key):
        height, width, _ = problem.start.shape
        *keys, last = jax.random.split(key, len(self.middle) + 1)
        latents = self.middle
        if self.widths:
            parts = zip(keys, self.middle, self.widths, strict=True)
            latents = tuple(m + a * self._unit(k, m) for k, m, a in parts)
        decoded = self.prior.at(latents, (height, width))
        image = decoded.mean
        if self.share is not None:
            normal = jax.random.normal(last, image.shape, image.dtype)
            image = image + self.share * decoded.std * normal
        return _State(image if self.centre is None else jnp.abs(image - self.centre))

    def _unit(self, key, like) -> jax.Array:
        if self.box:
            return jax.random.uniform(key, like.shape, like.dtype, -0.5, 0.5)
        return jax.random.normal(key, like.shape, like.dtype)
