"""One function that runs every method."""

from functools import partial

import jax

from jaxrestore.likelihoods import Observation
from jaxrestore.settings import count
from jaxrestore.solvers.checks import check_kind, checked_start
from jaxrestore.solvers.method import Method, Problem
from jaxrestore.solvers.results import Restoration
from jaxrestore.solvers.stopping import Stopping


def restore(
    method: Method,
    observation: Observation,
    *,
    stopping: Stopping | None = None,
    max_steps: int | None = None,
    key: jax.Array | None = None,
    history: bool = False,
    start: jax.Array | None = None,
) -> Restoration:
    """Restore one image.

    The call is one compiled program for each structure and shape: images, operators,
    weights, settings that are not static and stopping rules may change without a new
    compilation. It works inside `jax.jit` and, one image per element, under
    `jax.vmap`; under `jax.transfer_guard("disallow")` it moves nothing by itself.

    Args:
        method: such as `PnPHVAE(prior, temperature=0.8)`.
        observation: y, the operator and the noise.
        stopping: when to stop; None: the method's own rules.
        max_steps: static, most steps; None: the method's own number.
        key: random key of this image, for methods that draw.
        history: record residual, objective and contraction ratio of every step.
        start: x^0, (H, W, C); None: the observation's own starting image.

    Raises:
        InputError: a setting out of its range, a prior that cannot do what the method
            needs, or a start of another shape.
    """
    check_kind(method, Method, "iterates", "sample")
    method = method.validate(observation)
    stopping = (method.stopping if stopping is None else stopping).validate()
    steps = method.max_steps if max_steps is None else max_steps
    steps = count()(steps, "max_steps")
    start = checked_start(start, observation)
    # Explicit transfers, so that callers may forbid implicit ones.
    arguments = jax.device_put((method, observation, stopping, start, key))
    return _restore(*arguments, max_steps=steps, history=bool(history))


@partial(jax.jit, static_argnames=("max_steps", "history"))
def _restore(
    method: Method,
    observation: Observation,
    stopping: Stopping,
    start: jax.Array | None,
    key: jax.Array | None,
    *,
    max_steps: int,
    history: bool,
) -> Restoration:
    start = observation.initial_image() if start is None else start
    problem = Problem(observation, start, max_steps, key)
    return method.cast(start.dtype).solve(problem, stopping, history)
