"""Solvers: values that bring a prior and an observation together."""

from typing import Any

from jaxrestore.errors import InputError
from jaxrestore.settings import bind
from jaxrestore.solvers.anderson import Anderson
from jaxrestore.solvers.chain import sample
from jaxrestore.solvers.csgm import CSGM
from jaxrestore.solvers.diverse_sr import DiverseSR
from jaxrestore.solvers.flow_descent import Analysis, Synthesis
from jaxrestore.solvers.gibbs import Gibbs
from jaxrestore.solvers.joint_map import JointMAP
from jaxrestore.solvers.jpmap import JPMAP
from jaxrestore.solvers.method import Method, Problem, Sampler, Solver
from jaxrestore.solvers.pnp_hvae import PnPHVAE
from jaxrestore.solvers.posterior import Posterior
from jaxrestore.solvers.restore import restore
from jaxrestore.solvers.results import Draws, Restoration
from jaxrestore.solvers.select_rate import SelectRate
from jaxrestore.solvers.selection import CRITERIA, Select
from jaxrestore.solvers.smc import Particles, smc
from jaxrestore.solvers.stopping import Status, Stopping, status_name
from jaxrestore.solvers.tv import TV
from jaxrestore.solvers.variational import Variational
from jaxrestore.solvers.vble import VBLE, VBLEXZ

SOLVERS: dict[str, type[Solver]] = {
    kind.name: kind
    for kind in (
        *(PnPHVAE, JointMAP, JPMAP, CSGM, Variational, VBLE, VBLEXZ, TV, DiverseSR),
        *(Synthesis, Analysis, Gibbs),
    )
}


def create(name: str, settings: Any, *models: Any) -> Any:
    """A solver by name, from settings as files and command lines hold them.

    Args:
        name: a key of `SOLVERS`.
        settings: mapping; what is missing has its default.
        *models: what the solver's `models` name, in order.

    Raises:
        InputError: an unknown name or setting, or a value that cannot be used.
    """
    if name not in SOLVERS:
        known = ", ".join(SOLVERS)
        raise InputError(f"solver.name={name}: expected one of {known}")
    return bind(SOLVERS[name], settings, f"solver ({name})", *models)


__all__ = [
    "Analysis",
    "Anderson",
    "CRITERIA",
    "CSGM",
    "Draws",
    "DiverseSR",
    "Gibbs",
    "JPMAP",
    "JointMAP",
    "Method",
    "Particles",
    "PnPHVAE",
    "Posterior",
    "Problem",
    "Restoration",
    "SOLVERS",
    "Sampler",
    "Select",
    "SelectRate",
    "Solver",
    "Status",
    "Stopping",
    "Synthesis",
    "TV",
    "VBLE",
    "VBLEXZ",
    "Variational",
    "create",
    "restore",
    "sample",
    "smc",
    "status_name",
]
