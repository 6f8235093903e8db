"""What a solver is: a frozen dataclass, a pytree, a value."""

from dataclasses import replace
from typing import Any, ClassVar, NamedTuple, Self

import jax
import jax.numpy as jnp

from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.settings import plain, settings_of
from jaxrestore.solvers.iterate import iterate
from jaxrestore.solvers.results import Found, Restoration
from jaxrestore.solvers.stopping import Stopping, checked


class Problem(NamedTuple):
    """What a solver is asked.

    Attributes:
        observation: y, the operator and the noise.
        start: x^0, (H, W, C).
        max_steps: most steps; a Python number.
        key: random key of this image, None where none was given.
    """

    observation: Observation
    start: jax.Array
    max_steps: int
    key: jax.Array | None = None


class Solver:
    """Base of all solvers.

    To write one: a frozen dataclass with `jaxrestore.pytrees.pytree`; models (a
    prior, an encoder) as plain fields, numbers that may change without compiling as
    `settings.setting`, what shapes the program as `settings.static`. The fields are
    its settings in Python, in config files and on the command line.

    Attributes:
        name: what config files call it.
        requires: field -> what its model must be, protocols or classes.
        models: the fields that are models, in order.
        markov: whether it draws, each draw from the one before it.
    """

    name: ClassVar[str]
    requires: ClassVar[dict[str, tuple[type, ...]]] = {}
    models: ClassVar[tuple[str, ...]] = ()
    markov: ClassVar[bool] = False

    def validate(self, observation: Observation) -> Self:
        """The same with checked settings; arrays of JAX are not looked at.

        Raises:
            InputError: a model that cannot do what the solver needs, or a setting
                out of its range; one line.
        """
        self.check_models()
        return replace(self, **checked(self))  # type: ignore[type-var]

    def check_models(self) -> None:
        """Refuse a model that cannot do what the solver needs."""
        for field, kinds in self.requires.items():
            model = getattr(self, field)
            missing = [kind for kind in kinds if not isinstance(model, kind)]
            if missing:
                raise InputError(
                    f"{field}: a {type(model).__name__} is of no use to {self.name},"
                    f" expected {_WANTED[missing[0].__name__]}; take another prior or"
                    " another solver"
                )

    def settings(self) -> dict[str, Any]:
        """The settings as JSON holds them; `solvers.create` reads them back."""
        return {f.name: plain(getattr(self, f.name)) for f in settings_of(self)}

    def cast(self, dtype: Any) -> Self:
        """The same with floating-point settings in another precision. Traceable."""

        def as_dtype(value):
            floats = jnp.issubdtype(jnp.result_type(value), jnp.floating)
            return jnp.asarray(value, dtype) if floats else value

        numbers = {
            f.name: jax.tree.map(as_dtype, getattr(self, f.name))
            for f in settings_of(self)
            if not f.metadata.get("static")
        }
        return replace(self, **numbers)  # type: ignore[type-var]


_WANTED = {
    "Reconstructs": "what reconstructs images, such as a hierarchical VAE",
    "Decodes": "what decodes latents, such as a VAE",
    "Proposes": "what draws latents of images, such as a hierarchical VAE",
    "Density": "what scores images, such as a critic",
    "Glow": "a normalising flow such as a Glow",
    "VDVAE": "a VDVAE such as vdvae-faces64",
    "LowResEncoder": "a low-resolution encoder such as cvdvae-faces64-x4",
}


class Method(Solver):
    """A solver that iterates: pure functions of a state of its own, any pytree.

    Attributes:
        max_steps: how many steps it takes at most unless told otherwise.
        stopping: its rules unless told otherwise.
        descends: whether every step means to lower the objective; growth then
            is that of the objective instead of the image's change.
    """

    max_steps: ClassVar[int] = 100
    stopping: ClassVar[Stopping] = Stopping()
    descends: ClassVar[bool] = False

    def init(self, problem: Problem) -> Any:
        """The state before the first step."""
        raise NotImplementedError

    def step(self, problem: Problem, state: Any) -> Any:
        """The next state, of the same structure, shapes and dtypes."""
        raise NotImplementedError

    def image(self, state: Any) -> jax.Array:
        """The iterate (H, W, C) whose change is watched."""
        return state.image

    def change(self, before: Any, after: Any) -> jax.Array:
        """How far a step went, a norm; 0 at a fixed point."""
        return jnp.linalg.norm((self.image(after) - self.image(before)).ravel())

    def objective(self, problem: Problem, state: Any) -> jax.Array:
        """The scalar that the method means to decrease."""
        raise NotImplementedError

    def found(self, problem: Problem, state: Any, steps: jax.Array) -> Found:
        """What the last state, after so many steps, amounts to."""
        return Found(self.image(state))

    def extras(self, problem: Problem, state: Any) -> dict[str, jax.Array]:
        """Named scalars that join the history."""
        return {}

    def settled(self, problem: Problem, state: Any) -> jax.Array:
        """False where neither a small change nor a plateau ends the run yet."""
        return jnp.array(True)

    def stalled(self, problem: Problem, state: Any) -> jax.Array:
        """True where the last step could not lower the objective at all."""
        return jnp.array(False)

    def at(self, problem: Problem, state: Any, image: jax.Array) -> Any:
        """The state as if the iterate were another image, for `Anderson`.

        Only of methods whose next image is a function of the image alone, beside
        counters.

        Raises:
            InputError: the method is none of these.
        """
        raise InputError(f"{self.name}: cannot go on from another image")

    def solve(self, problem: Problem, stopping: Stopping, history: bool) -> Restoration:
        """The whole restoration, traced; methods that wrap others replace it."""
        return iterate(self, problem, stopping, history)


class Wrapper(Method):
    """Base of those that run another method, their field `method`."""

    method: Any

    @property
    def max_steps(self) -> int:  # type: ignore[override]
        """Those of the method."""
        return self.method.max_steps

    @property
    def stopping(self) -> Stopping:  # type: ignore[override]
        """Those of the method."""
        return self.method.stopping


class Sampler(Solver):
    """A solver that draws from p(x | y).

    Attributes:
        chains: how many chains run side by side unless told otherwise.
    """

    chains: ClassVar[int] = 1

    def init(self, problem: Problem) -> Any:
        """The state of one chain before its first step, from `problem.key`."""
        raise NotImplementedError

    def step(self, problem: Problem, state: Any, key: jax.Array) -> Any:
        """The next state of one chain, with a key of its own."""
        raise NotImplementedError

    def image(self, state: Any) -> jax.Array:
        """The draw (H, W, C) that a state stands for."""
        return state.image

    def expected(self, problem: Problem, state: Any) -> jax.Array:
        """What is averaged to the posterior's mean: the draw, or its expectation.

        E[x | part of the state, y] has the mean of the draws and spreads less (Rao and
        Blackwell).
        """
        return self.image(state)

    def trace(self, problem: Problem, state: Any) -> dict[str, jax.Array]:
        """Named small arrays of a state that `sample(..., traces=True)` follows."""
        return {}

    def walks(self, steps: Any) -> Any:
        """Passes through the prior's network of one chain of so many steps."""
        return steps
