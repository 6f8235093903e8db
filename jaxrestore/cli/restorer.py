"""One prior, one compiled solver per image size."""

import dataclasses
import functools
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.cli.levels import parse_level, parse_number, parse_temperature
from jaxrestore.cli.settings import interpolate
from jaxrestore.cli.task import Problem
from jaxrestore.solvers import pnp_hvae, temperature
from jaxrestore.solvers.restoration import Restoration


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A restoration with what it took.

    Attributes:
        restoration: The solver's result.
        settings: Temperature, decoder_std and encoder_noise as used.
        seconds: Of the solver alone.
        compile_seconds: Of compiling it; about 0 from the second image of a size on.
    """

    restoration: Restoration
    settings: dict[str, Any]
    seconds: float
    compile_seconds: float


class Restorer:
    """PnP-HVAE with the settings of solve.py.

    Args:
        prior: What `load_prior` returns.
        config: Validated settings.
    """

    def __init__(self, prior: Any, config: Any):
        self._prior = prior
        self._config = config
        self._programs: dict[Any, Any] = {}
        solver = config.solver
        self._solver = jax.jit(
            functools.partial(
                _solve,
                max_steps=solver.max_steps,
                tolerance=float(parse_number(solver.tolerance, "tolerance")),
                patience=solver.patience,
                cg_steps=solver.cg_steps,
            )
        )
        # Refuses lists of the wrong length before anything is written.
        self.settings(8 / 255)

    def __call__(self, problem: Problem) -> Outcome:
        """Restores one image."""
        settings = self.settings(problem.noise_std)
        arguments = jax.tree.map(
            jnp.asarray, (self._prior, problem.observation, settings)
        )
        begin = time.perf_counter()
        program = self._compiled(arguments)
        middle = time.perf_counter()
        restoration = jax.block_until_ready(program(*arguments))
        end = time.perf_counter()
        return Outcome(restoration, settings, end - middle, middle - begin)

    def settings(self, noise_std: float) -> dict[str, Any]:
        """Temperature, decoder_std and encoder_noise at a noise level.

        Each is what the config says or, where it says "auto", the table's value. None
        stands for "predicted" and "none".
        """
        solver = self._config.solver
        chosen = dict(interpolate(self._config.task, noise_std)._asdict())
        tau = parse_temperature(solver.temperature, "config.solver.temperature")
        if tau != "auto":
            chosen["temperature"] = _schedule(tau, self._prior.num_groups)
        for name, word in (("decoder_std", "predicted"), ("encoder_noise", "none")):
            value = parse_level(solver[name], f"config.solver.{name}", "auto", word)
            if value != "auto":
                chosen[name] = None if value == word else value
        return chosen

    def _compiled(self, arguments: Any) -> Any:
        leaves, structure = jax.tree.flatten(arguments)
        key = structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        if key not in self._programs:
            self._programs[key] = self._solver.lower(*arguments).compile()
        return self._programs[key]


def _solve(prior: Any, observation: Any, settings: Any, **static: Any) -> Restoration:
    return pnp_hvae(prior, observation, **settings, **static)


def _schedule(tau: Any, num_groups: int) -> np.ndarray:
    if isinstance(tau, str):
        top, bottom = (parse_number(end, "temperature") for end in tau.split(":"))
        return temperature.linear(top, bottom, num_groups)
    if isinstance(tau, list):
        return temperature.check(temperature.explicit(tau, num_groups), num_groups)
    return temperature.constant(tau)
