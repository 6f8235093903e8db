"""Solvers: pure functions that bring a prior and an observation together."""

from jaxrestore.solvers import temperature
from jaxrestore.solvers.csgm import csgm
from jaxrestore.solvers.diverse_sr import DiverseSR, diverse_sr
from jaxrestore.solvers.driver import Status, status_name
from jaxrestore.solvers.joint_map import joint_map
from jaxrestore.solvers.jpmap import jpmap
from jaxrestore.solvers.pnp_hvae import pnp_hvae
from jaxrestore.solvers.restoration import Restoration
from jaxrestore.solvers.tv import total_variation
from jaxrestore.solvers.variational import variational

__all__ = [
    "DiverseSR",
    "Restoration",
    "Status",
    "csgm",
    "diverse_sr",
    "joint_map",
    "jpmap",
    "pnp_hvae",
    "status_name",
    "temperature",
    "total_variation",
    "variational",
]
