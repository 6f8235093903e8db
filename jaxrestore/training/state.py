"""The training state and one step of it.

Throughout, `recipe` is the prior's with the config of the run, and `plan` the shapes
and places of the state, from `plan_state`.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from jaxrestore.errors import InputError
from jaxrestore.pytrees import pytree
from jaxrestore.training import sharding
from jaxrestore.training.recipe import Recipe

# Purposes that the seed is split into; every evaluation has the same key.
_INIT, _STEP, EVALUATION = 0, 1, 2


@pytree
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


def plan_state(recipe: Recipe, mesh: Mesh) -> TrainState:
    """Shapes, dtypes and places of a run's state, without computing anything.

    Moments live where their parameter lives, everything else is replicated.

    Args:
        recipe: see above.
        mesh: from `sharding.make_mesh`.

    Returns:
        A TrainState of jax.ShapeDtypeStruct with shardings.
    """
    config, whole = recipe.config, sharding.replicated(mesh)
    shapes = jax.eval_shape(partial(_initial, recipe), jax.random.key(0))
    placed = sharding.parameter_shardings(shapes.params, config.sharding, mesh)
    moments = optax.tree_utils.tree_map_params(
        recipe.optimizer(config),
        lambda leaf, place: leaf if _is_hole(leaf) else place,
        shapes.opt_state,
        placed,
        transform_non_params=lambda _: whole,
        is_leaf=_is_hole,
    )
    shardings = TrainState(placed, placed, moments, whole, whole, whole)
    return jax.tree.map(lambda s, place: s.update(sharding=place), shapes, shardings)


def _is_hole(leaf: Any) -> bool:
    """Whether an optimiser of some of the parameters has no moment here."""
    return isinstance(leaf, optax.MaskedNode)


def create_state(recipe: Recipe, plan: TrainState) -> TrainState:
    """Initialise the state where `plan` puts it; the seed fixes all noise, too."""
    init = jax.jit(partial(_initial, recipe), out_shardings=_places(plan))
    return init(jax.random.key(recipe.config.seed))


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


def grow(narrow: Any, fresh: Any) -> Any:
    """Put narrow weights into the leading channels of a fresh, wider network.

    Every weight from a new channel to an old one is zero, all others that are new stay
    as initialised. Where only the inner channels of cells are new (`bottleneck_ratio`,
    `posterior_ratio`), the network's function stays what it was, and the new channels
    learn from the first step on.

    Args:
        narrow: nested dicts of arrays; kernels end in (inputs, outputs).
        fresh: the same structure; the channels of kernels and biases, their last axes,
            may be more.

    Returns:
        Arrays of the shapes and dtypes of `fresh`.

    Raises:
        InputError: another structure, or a shape that differs in another way.
    """

    def place(path, new, old):
        name = getattr(path[-1], "key", "")
        free = {"kernel": 2, "bias": 1}.get(name, 0)  # channels: the last axes
        fixed = old.ndim - free
        fits = (
            old.ndim == new.ndim
            and old.shape[:fixed] == new.shape[:fixed]
            and all(a <= b for a, b in zip(old.shape, new.shape, strict=True))
        )
        if not fits:
            raise InputError(
                f"config.init_from: parameter {jax.tree_util.keystr(path)} has shape"
                f" {old.shape}, config.model expects {new.shape} or less; take weights"
                " of the same or of a narrower network"
            )
        if name == "kernel":  # new inputs, old outputs
            new = new.at[..., old.shape[-2] :, : old.shape[-1]].set(0)
        corner = tuple(slice(size) for size in old.shape)
        return new.at[corner].set(old.astype(new.dtype))

    if jax.tree.structure(narrow) != jax.tree.structure(fresh):
        raise InputError(
            "config.init_from: the weights belong to another network than config.model;"
            " take the model section of the config in their header"
        )
    return jax.tree_util.tree_map_with_path(
        place, fresh, jax.tree.map(jnp.array, narrow)
    )


def _initial(recipe: Recipe, root: jax.Array) -> TrainState:
    params = recipe.init(jax.random.fold_in(root, _INIT))
    step_key = jax.random.fold_in(root, _STEP)
    return TrainState(
        params=params,
        ema=jax.tree.map(lambda p: p.astype(jnp.float32), params),
        opt_state=recipe.optimizer(recipe.config).init(params),
        step=jnp.zeros((), jnp.int32),
        skipped=jnp.zeros((), jnp.int32),
        key=jax.random.key_data(step_key),
    )


def _places(plan: TrainState) -> TrainState:
    return jax.tree.map(lambda leaf: leaf.sharding, plan)


def make_train_step(
    recipe: Recipe, plan: TrainState
) -> Callable[[TrainState, Any, Any], tuple[TrainState, dict[str, jax.Array]]]:
    """Compile-once (state, batch, frozen) -> (state, metrics); donates the state.

    The average is ema <- ema_decay * ema + (1 - ema_decay) * params. An update whose
    gradient has a norm >= `skip_gradient_norm`, or whose gradient or loss is not
    finite, is skipped: parameters, EMA and optimiser state stay as they were. The
    optimiser's own count, and with it the learning-rate schedule, does not advance
    then, nor does the step that `recipe.loss` is told. So does the JAX version of
    Efficient-VDVAE; in its PyTorch version and in VDVAE both advance. `state.step` and
    the noise key always advance.
    """
    optimizer, decay = recipe.optimizer(recipe.config), recipe.config.ema_decay
    limit = recipe.config.skip_gradient_norm

    def train_step(state: TrainState, batch, frozen):
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        updates_done = state.step - state.skipped
        (loss, metrics), gradient = jax.value_and_grad(recipe.loss, has_aux=True)(
            state.params, batch, key, updates_done, frozen
        )
        norm = optax.tree.norm(gradient)
        good = jnp.isfinite(loss) & jnp.isfinite(norm) & (norm < limit)
        updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        ema = jax.tree.map(
            lambda e, p: decay * e + (1 - decay) * p.astype(jnp.float32),
            state.ema,
            params,
        )
        skipped = state.skipped + jnp.where(good, 0, 1)
        params, ema, opt_state = jax.tree.map(
            lambda new, old: jnp.where(good, new, old),
            (params, ema, opt_state),
            (state.params, state.ema, state.opt_state),
        )
        step = state.step + 1
        after = TrainState(params, ema, opt_state, step, skipped, state.key)
        metrics = dict(metrics, loss=loss, gradient_norm=norm)
        return after, dict(metrics, skipped_updates=skipped, applied=good)

    # Scalars come out whole on every device, so any process can read them.
    places = (_places(plan), plan.step.sharding)
    return jax.jit(train_step, donate_argnums=0, out_shardings=places)
