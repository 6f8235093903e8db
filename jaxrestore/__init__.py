"""Image restoration with deep generative priors in JAX."""

from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.operators import check_operator
from jaxrestore.priors import load_prior, save_prior
from jaxrestore.solvers import Restoration, pnp_hvae

__all__ = [
    "InputError",
    "Observation",
    "Restoration",
    "check_operator",
    "load_prior",
    "pnp_hvae",
    "save_prior",
]

__version__ = "0.1.0"
