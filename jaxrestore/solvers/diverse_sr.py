"""Many plausible large images for one small image, in one pass (CVDVAE)."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import jax

from jaxrestore.errors import InputError
from jaxrestore.operators import LinearOperator
from jaxrestore.priors.hvae.lowres import LowResEncoder
from jaxrestore.priors.hvae.vdvae import VDVAE
from jaxrestore.pytrees import pytree
from jaxrestore.settings import count, flag, setting, static
from jaxrestore.solvers.method import Sampler
from jaxrestore.solvers.temperature import for_groups, temperature


class _State(NamedTuple):
    image: jax.Array
    features: Any


@pytree
@dataclass(frozen=True, eq=False)
class DiverseSR(Sampler):
    """Draws images of which y may be the reduction.

    z_<k ~ q(z_<k | y), the other groups from the prior, the decoder's mean x, then the
    projection onto the images consistent with y, thesis (6.18):

        argmin_u ||u - x||^2 such that H u = y, that is x + H'(HH')^-1 (y - H x)

    y is taken as free of noise. Samples are not clipped after the projection.

    Attributes:
        prior: the VDVAE that the encoder was trained for; `encoder.check_prior` makes
            sure of it.
        encoder: of this reduction factor.
        temperature: tau of all groups, the encoder's and the prior's, scalar or (L,);
            0.8 as in the thesis' tables. Lower is less diverse and nearer to the
            original.
        groups: how many groups come from y, at most the encoder's k; None: k.
        project: make the samples consistent with y.
    """

    prior: VDVAE
    encoder: LowResEncoder
    temperature: Any = setting(0.8, temperature, "0.8 | 0.8:0.6")
    groups: int | None = static(None, count(0, none=True), "from y; none: all")
    project: bool = static(True, flag, "make samples consistent with the observation")

    name: ClassVar = "diverse_sr"
    requires: ClassVar = {"prior": (VDVAE,), "encoder": (LowResEncoder,)}
    models: ClassVar = ("prior", "encoder")
    chains: ClassVar = 16

    def validate(self, observation):
        method = super().validate(observation)
        method.encoder.check_architecture(method.prior)
        method.encoder.check_groups(method.groups)
        self._check_operator(observation)
        tau = for_groups(method.temperature, method.prior.num_groups)
        return replace(method, temperature=tau)

    def init(self, problem):
        y = problem.observation.y
        return _State(problem.start, self.encoder.features(y))

    def step(self, problem, state, key):
        tau, y = self.temperature, problem.observation.y
        image = self.encoder.sample(
            self.prior, state.features, key, tau, tau, self.groups
        )
        if self.project:
            operator: Any = problem.observation.operator
            image = operator.project(y, image)
        return state._replace(image=image)

    def _check_operator(self, observation) -> None:
        size, y = self.encoder.config.prior.image_size, observation.y
        shape = observation.image_shape
        linear = isinstance(observation.operator, LinearOperator)
        if shape != (size, size, y.shape[-1]) or not linear:
            raise InputError(
                f"operator: reduces images of {shape[0]}x{shape[1]} pixels to this y,"
                f" expected the prior's {size}x{size}; take a periodic one of factor"
                f" {self.encoder.config.factor}"
            )
