"""Image restoration with deep generative priors in JAX."""

from typing import TYPE_CHECKING, Any

from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.operators import check_operator
from jaxrestore.priors import load_prior, save_prior
from jaxrestore.solvers import PnPHVAE, Restoration, Stopping, restore, sample

if TYPE_CHECKING:
    from jaxrestore.restorer import Restorer

__all__ = [
    "InputError",
    "Observation",
    "PnPHVAE",
    "Restoration",
    "Restorer",
    "Stopping",
    "check_operator",
    "load_prior",
    "restore",
    "sample",
    "save_prior",
]


def __getattr__(name: str) -> Any:
    """`Restorer`, which needs more than the rest, when it is asked for."""
    if name != "Restorer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from jaxrestore.restorer import Restorer

    return Restorer


__version__ = "0.1.0"
