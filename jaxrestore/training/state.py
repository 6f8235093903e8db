"""The training state and one step of it.

Throughout, `recipe` is the prior's, `optimizer` what its `optimizer` returned, and
`plan` the shapes and places of the state, from `plan_state`.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from jaxrestore.training import sharding
from jaxrestore.training.grow import grow
from jaxrestore.training.recipe import Recipe

# Purposes that the seed is split into.
_INIT, _STEP, _EVAL = 0, 1, 2


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """Everything that a checkpoint holds, besides the data position.

    Attributes:
        params: nested dicts of arrays.
        ema: exponential moving average of `params`, float32.
        opt_state: of the recipe's optimiser.
        step: int32, batches consumed.
        skipped: int32, batches among them whose update was skipped.
        key: uint32 data of the key that every step's key is folded from.
    """

    params: Any
    ema: Any
    opt_state: Any
    step: Any
    skipped: Any
    key: Any


def plan_state(
    recipe: Recipe,
    optimizer: optax.GradientTransformation,
    mesh: Mesh,
    rules: Any,
) -> TrainState:
    """Shapes, dtypes and places of a run's state, without computing anything.

    Args:
        recipe, optimizer: see above.
        mesh: from `sharding.make_mesh`.
        rules: parameter sharding rules of the config.

    Returns:
        A TrainState of jax.ShapeDtypeStruct with shardings.
    """
    shapes = jax.eval_shape(partial(_initial, recipe, optimizer), jax.random.key(0))
    placed = sharding.parameter_shardings(shapes.params, rules, mesh)
    whole = sharding.replicated(mesh)
    shardings = TrainState(
        params=placed,
        ema=placed,
        opt_state=sharding.optimizer_shardings(optimizer, shapes.params, placed, mesh),
        step=whole,
        skipped=whole,
        key=whole,
    )

    def put(leaf, place):
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place)

    return jax.tree.map(put, shapes, shardings)


def create_state(
    recipe: Recipe,
    optimizer: optax.GradientTransformation,
    seed: int,
    plan: TrainState,
) -> TrainState:
    """Initialise the state where `plan` puts it; `seed` fixes all noise, too."""
    init = partial(_initial, recipe, optimizer)
    return jax.jit(init, out_shardings=_places(plan))(jax.random.key(seed))


def start_from(state: TrainState, params: Any, plan: TrainState) -> TrainState:
    """Replace the parameters, and their average, of a fresh state.

    Args:
        state: from `create_state`; its optimiser state is kept, so that of a fresh one.
        params: arrays of this network or of a narrower one (`grow`).
        plan: see above.

    Raises:
        InputError: `params` belong to another network.
    """
    # Inside jit: the parameters may be sharded over processes, and what comes out are
    # buffers of their own, which donation needs.
    place = jax.jit(grow, out_shardings=_places(plan).params)
    narrow = jax.device_get(params)
    return dataclasses.replace(
        state, params=place(narrow, state.params), ema=place(narrow, state.ema)
    )


def _initial(recipe: Recipe, optimizer, root: jax.Array) -> TrainState:
    params = recipe.init(jax.random.fold_in(root, _INIT))
    step_key = jax.random.fold_in(root, _STEP)
    return TrainState(
        params=params,
        ema=jax.tree.map(lambda p: p.astype(jnp.float32), params),
        opt_state=optimizer.init(params),
        step=jnp.zeros((), jnp.int32),
        skipped=jnp.zeros((), jnp.int32),
        key=jax.random.key_data(step_key),
    )


def _places(plan: TrainState) -> TrainState:
    return jax.tree.map(lambda leaf: leaf.sharding, plan)


def evaluation_key(seed: int) -> jax.Array:
    """The same key at every evaluation of a run."""
    return jax.random.fold_in(jax.random.key(seed), _EVAL)


def make_train_step(
    recipe: Recipe,
    optimizer: optax.GradientTransformation,
    *,
    ema_decay: float,
    skip_gradient_norm: float,
    plan: TrainState,
) -> Callable[[TrainState, Any, Any], tuple[TrainState, dict[str, jax.Array]]]:
    """Compile-once (state, batch, frozen) -> (state, metrics); donates the state.

    An update whose gradient has a norm >= `skip_gradient_norm`, or whose gradient or
    loss is not finite, is skipped: parameters, EMA and optimiser state stay as they
    were. The optimiser's own count, and with it the learning-rate schedule, does not
    advance then, nor does the step that `recipe.loss` is told. So does the JAX
    version of Efficient-VDVAE; in its PyTorch version and in VDVAE both advance.
    `state.step` and the noise key always advance.

    Args:
        recipe, optimizer, plan: see above.
        ema_decay: ema <- ema_decay * ema + (1 - ema_decay) * params.
        skip_gradient_norm: threshold, may be inf.
    """

    def train_step(state: TrainState, batch, frozen):
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        updates_done = state.step - state.skipped
        (loss, metrics), gradient = jax.value_and_grad(recipe.loss, has_aux=True)(
            state.params, batch, key, updates_done, frozen
        )
        norm = optax.tree.norm(gradient)
        good = jnp.isfinite(loss) & jnp.isfinite(norm) & (norm < skip_gradient_norm)
        updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        ema = jax.tree.map(
            lambda e, p: ema_decay * e + (1 - ema_decay) * p.astype(jnp.float32),
            state.ema,
            params,
        )
        skipped = state.skipped + jnp.where(good, 0, 1)
        keep = partial(jax.tree.map, lambda new, old: jnp.where(good, new, old))
        after = TrainState(
            params=keep(params, state.params),
            ema=keep(ema, state.ema),
            opt_state=keep(opt_state, state.opt_state),
            step=state.step + 1,
            skipped=skipped,
            key=state.key,
        )
        metrics = dict(metrics, loss=loss, gradient_norm=norm)
        return after, dict(metrics, skipped_updates=skipped, applied=good)

    # Scalars come out whole on every device, so any process can read them.
    places = (_places(plan), plan.step.sharding)
    return jax.jit(train_step, donate_argnums=0, out_shardings=places)
