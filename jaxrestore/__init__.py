"""Image restoration with deep generative priors in JAX."""

from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.operators import check_operator
from jaxrestore.priors import load_prior, save_prior
from jaxrestore.solvers import PnPHVAE, Restoration, Stopping, restore, sample

__all__ = [
    "InputError",
    "Observation",
    "PnPHVAE",
    "Restoration",
    "Stopping",
    "check_operator",
    "load_prior",
    "restore",
    "sample",
    "save_prior",
]

__version__ = "0.1.0"
