"""A learning rate that falls when the validation loss stops falling."""

from typing import Any

import jax
import optax
from optax.contrib import reduce_on_plateau


class Plateau:
    """`optax.contrib.reduce_on_plateau`, told the loss at validations alone.

    Its state is a part of the optimiser's, so that a resumed run decides alike.

    Args:
        patience: validations without a new best before the rate is divided by ten.
    """

    def __init__(self, patience: int):
        self._rule = reduce_on_plateau(
            factor=0.1, patience=patience, rtol=1e-3, min_scale=1e-3
        )
        self.transformation = optax.GradientTransformation(self._rule.init, _scaled)

    def advance(self, state: Any, loss: Any) -> Any:
        """The state after a validation with this loss."""
        return self._rule.update((), state, value=loss)[1]


def _scaled(updates, state, params=None):
    return jax.tree.map(lambda update: state.scale * update, updates), state
