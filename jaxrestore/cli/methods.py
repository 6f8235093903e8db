"""Which solver goes with a prior, and what it takes from the settings."""

from pathlib import Path
from typing import Any, ClassVar, Protocol

import jax
import numpy as np

from jaxrestore.cli.levels import (
    CHOSEN_TEMPERATURES,
    parse_level,
    parse_number,
    parse_temperature,
)
from jaxrestore.cli.settings import PUBLISHED_WEIGHTS, WEIGHTS, interpolate
from jaxrestore.cli.task import Problem
from jaxrestore.likelihoods import Observation
from jaxrestore.report import charts
from jaxrestore.solvers import pnp_hvae, temperature, variational
from jaxrestore.solvers.restoration import Restoration


class Method(Protocol):
    """A solver as solve.py sees it.

    Attributes:
        model: What `solve` gets first, a pytree: the prior, or more.
        remedy: What to try after it diverged.
        files: Names of the files that `write` writes.
    """

    @property
    def model(self) -> Any: ...
    @property
    def remedy(self) -> str: ...
    @property
    def files(self) -> tuple[str, ...]: ...

    def settings(self, noise_std: float) -> dict[str, Any]:
        """The traced settings at a noise level, JSON-compatible but for arrays."""
        ...

    def solve(
        self, model: Any, observation: Observation, settings: Any, key: jax.Array
    ) -> Restoration:
        """Restores one image; traced. `key` is the image's own."""
        ...

    def write(self, folder: Path, problem: Problem, restoration: Restoration) -> None:
        """What the method shows of its work, as files in a folder."""
        ...

    def scores(self, problem: Problem, restoration: Restoration) -> dict[str, Any]:
        """Scores of the method's own, for summary.json."""
        ...


class _Iterative:
    """What the methods share that iterate."""

    objective: ClassVar[str]
    files = ("convergence.png",)
    _config: Any

    def write(self, folder: Path, problem: Problem, restoration: Restoration) -> None:
        """Curves of the iterations."""
        assert restoration.history is not None
        history = {k: np.asarray(v) for k, v in restoration.history.items()}
        tolerance = float(self._config.solver.tolerance)
        path = folder / "convergence.png"
        charts.convergence(path, history, tolerance, self.objective)

    def scores(self, problem: Problem, restoration: Restoration) -> dict[str, Any]:
        """None of their own."""
        return {}


class PnPHVAE(_Iterative):
    """`solvers.pnp_hvae` with the settings of solve.py."""

    objective = "objective $J_1$"
    remedy = "lower --config.solver.temperature"
    unused: ClassVar = {
        "weight": "auto",
        "scaling": "pixel",
        "descent": "adam",
        "n_samples": 8,
    }

    def __init__(self, prior: Any, config: Any):
        self.model, self._config, self._num_groups = prior, config, prior.num_groups
        solver = config.solver
        self._static = {
            "max_steps": solver.max_steps,
            "tolerance": float(parse_number(solver.tolerance, "tolerance")),
            "patience": solver.patience,
            "cg_steps": solver.cg_steps,
        }
        if solver.temperature in CHOSEN_TEMPERATURES:
            self._static["temperature"] = solver.temperature

    def settings(self, noise_std: float) -> dict[str, Any]:
        """Temperature, decoder_std and encoder_noise at a noise level.

        Each is what the config says or, where it says "auto" (of the temperature:
        "table"), the table's value. None stands for "predicted" and "none". A
        temperature that the solver chooses is not among them.
        """
        solver = self._config.solver
        chosen = dict(interpolate(self._config.task, noise_std)._asdict())
        tau = parse_temperature(solver.temperature, "config.solver.temperature")
        if tau in CHOSEN_TEMPERATURES:
            del chosen["temperature"]
        elif tau != "table":
            chosen["temperature"] = schedule(tau, self._num_groups)
        for name, word in (("decoder_std", "predicted"), ("encoder_noise", "none")):
            value = parse_level(solver[name], f"config.solver.{name}", "auto", word)
            if value != "auto":
                chosen[name] = None if value == word else value
        return chosen

    def solve(self, model, observation, settings, key) -> Restoration:
        """`pnp_hvae`."""
        return pnp_hvae(model, observation, **settings, **self._static)


class Variational(_Iterative):
    """`solvers.variational` with the settings of solve.py."""

    objective = "objective $F$"
    remedy = "lower --config.solver.weight"
    unused: ClassVar = {
        "temperature": "table",
        "decoder_std": "auto",
        "encoder_noise": "auto",
        "cg_steps": None,
        "n_samples": 8,
    }

    def __init__(self, prior: Any, config: Any):
        self.model, self._config = prior, config
        solver = config.solver
        self._static = {
            "scaling": solver.scaling,
            "method": solver.descent,
            "max_steps": solver.max_steps,
            "patience": solver.patience,
            "tolerance": float(parse_number(solver.tolerance, "tolerance")),
        }

    def settings(self, noise_std: float) -> dict[str, Any]:
        """The regulariser's weight, the config's or the table's at this noise level."""
        solver = self._config.solver
        if solver.weight != "auto":
            return {"weight": parse_number(solver.weight, "config.solver.weight")}
        literal = solver.scaling == "literal"
        table = PUBLISHED_WEIGHTS if literal else WEIGHTS[self._config.task]
        levels = sorted(table)
        values = [table[level] for level in levels]
        return {"weight": float(np.interp(noise_std, levels, values))}

    def solve(self, model, observation, settings, key) -> Restoration:
        """`variational`."""
        return variational(model, observation, **settings, **self._static)


def schedule(tau: Any, num_groups: int) -> np.ndarray | jax.Array:
    """A temperature as `parse_temperature` gives it, for solvers.

    Raises:
        InputError: A list of another length than the number of groups.
    """
    if isinstance(tau, str):
        top, bottom = (parse_number(end, "temperature") for end in tau.split(":"))
        return temperature.linear(top, bottom, num_groups)
    if isinstance(tau, list):
        return temperature.check(temperature.explicit(tau, num_groups), num_groups)
    return temperature.constant(tau)
