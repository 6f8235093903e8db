"""One prior, one compiled solver per image size."""

import dataclasses
import time
from typing import Any

import jax
import jax.numpy as jnp

from jaxrestore.cli.diverse import Diverse
from jaxrestore.cli.methods import Method, PnPHVAE, Variational
from jaxrestore.cli.task import Problem
from jaxrestore.errors import InputError
from jaxrestore.solvers.restoration import Restoration


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A restoration with what it took.

    Attributes:
        restoration: The solver's result.
        settings: What the method chose by noise level, as used.
        seconds: Of the solver alone.
        compile_seconds: Of compiling it; about 0 from the second image of a size on.
    """

    restoration: Restoration
    settings: dict[str, Any]
    seconds: float
    compile_seconds: float


class Restorer:
    """The prior's solver with the settings of solve.py.

    Args:
        prior: What `load_prior` returns.
        config: Validated settings.

    Raises:
        InputError: A setting does not fit the prior.
    """

    def __init__(self, prior: Any, config: Any):
        self._programs: dict[Any, Any] = {}
        self.method = method_for(prior, config)
        self._solver = jax.jit(self.method.solve)
        # Refuses lists of the wrong length before anything is written.
        self.method.settings(8 / 255)

    def __call__(self, problem: Problem) -> Outcome:
        """Restores one image."""
        settings = self.method.settings(problem.noise_std)
        arguments = jax.tree.map(
            jnp.asarray, (self.method.model, problem.observation, settings, problem.key)
        )
        begin = time.perf_counter()
        program = self._compiled(arguments)
        middle = time.perf_counter()
        restoration = jax.block_until_ready(program(*arguments))
        end = time.perf_counter()
        return Outcome(restoration, settings, end - middle, middle - begin)

    def _compiled(self, arguments: Any) -> Any:
        leaves, structure = jax.tree.flatten(arguments)
        key = structure, tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        if key not in self._programs:
            self._programs[key] = self._solver.lower(*arguments).compile()
        return self._programs[key]


def method_for(prior: Any, config: Any) -> Method:
    """PnP-HVAE for hierarchical VAEs, descent for critics; or what encoder names.

    Args:
        prior: What `load_prior` returns.
        config: Validated settings.

    Raises:
        InputError: A setting has no use with this prior, or does not fit it.
    """
    if config.encoder:
        kind = Diverse
    else:
        kind = PnPHVAE if hasattr(prior, "reconstruct") else Variational
    for name, default in kind.unused.items():
        value = config.solver[name]
        if value != default:
            raise InputError(
                f"config.solver.{name}={value}: has no use with this prior"
                f" ({type(prior).__name__}), expected {default}; leave it out, or take"
                " another --prior"
            )
    return kind(prior, config)
