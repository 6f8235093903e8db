"""Images of several sizes in one program: an observation inside a larger canvas."""

from dataclasses import replace
from typing import Any

import numpy as np

from jaxrestore.likelihoods.observation import Observation
from jaxrestore.operators import Blur, Crop, Downsample, Identity, Mask
from jaxrestore.operators.base import Compose, LinearOperator, Shape


def measured_canvas(operator: LinearOperator, y_shape: Shape) -> Shape | None:
    """(h, w) of the measurement with the margins that an unknown boundary adds.

    None where the operator has no version on a larger canvas: it is periodic, or
    knows the size.
    """
    if isinstance(operator, (Identity, Mask)):
        return tuple(y_shape[:2])
    parts = operator.operators if isinstance(operator, Compose) else ()
    if len(parts) != 2 or not isinstance(parts[0], Crop):
        return None
    if not isinstance(parts[1], (Blur, Downsample)):
        return None
    return parts[0].input_shape(y_shape)[:2]


def framed(observation: Observation, size: tuple[int, int]) -> Observation:
    """The same observation in the corner of a larger one that shows nothing else.

    What was measured is a mask, an array, where an unknown boundary is a static margin:
    observations of any sizes on canvases of one size share a program. The solver's
    image is larger; its part `[:H, :W]`, (H, W, C) the observation's `image_shape`, is
    that of the observation's own operator.

    Args:
        observation: whose operator has a `measured_canvas`.
        size: (h, w) of the measurement, none smaller than `measured_canvas`.
    """
    operator: Any = observation.operator
    y = np.asarray(observation.y)
    height, width, channels = y.shape
    top = left = 0
    visible = np.ones((height, width, 1), np.float32)
    if isinstance(operator, Mask):
        visible = np.asarray(operator.mask, np.float32)
    elif isinstance(operator, Compose):
        top, _, left, _ = operator.operators[0].margins  # type: ignore[attr-defined]
    rows, columns = slice(top, top + height), slice(left, left + width)
    large = np.zeros((*size, channels), np.float32)
    large[rows, columns] = np.where(visible != 0, y, 0)
    seen = np.zeros((*size, visible.shape[-1]), np.float32)
    seen[rows, columns] = visible
    mask: Any = Mask(seen)  # type: ignore[arg-type]
    if isinstance(operator, Compose):
        mask = mask @ operator.operators[1]
    return replace(observation, y=large, operator=mask)  # type: ignore[arg-type]
