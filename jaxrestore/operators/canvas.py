"""Unknown boundaries: a photograph as the visible part of a larger canvas."""

import math

from jaxrestore.errors import InputError
from jaxrestore.operators.base import LinearOperator, Shape
from jaxrestore.operators.pointwise import Crop


def fast_fft_size(minimum: int, multiple_of: int = 1) -> int:
    """Smallest n >= minimum that is multiple_of times a product of 2, 3, 5 and 7.

    Args:
      minimum: >= 1.
      multiple_of: n is a multiple of it.
    """
    if minimum < 1 or multiple_of < 1:
        raise InputError(
            f"minimum={minimum}, multiple_of={multiple_of}; expected numbers >= 1"
        )
    count = -(-minimum // multiple_of)
    while pow(210, count.bit_length(), count):  # 210 = 2 * 3 * 5 * 7
        count += 1
    return count * multiple_of


def on_canvas(operator, observed_shape: Shape, multiple_of: int) -> LinearOperator:
    """`Operator.unknown_boundary` of what filters by ``operator.kernel``."""
    factor = round(operator.scale)
    granularity = multiple_of // math.gcd(multiple_of, factor)
    margins = []
    for axis, observed in enumerate(observed_shape[:2]):
        side, visible = operator.kernel.shape[axis], observed * factor
        if side > visible:
            raise InputError(
                f"kernel of {side} pixels along axis {axis} is larger than the image "
                f"of {visible}; crop the kernel or use a larger image"
            )
        before, after = _reach(side, factor)
        total = fast_fft_size(before + observed + after, granularity)
        # What the FFT size adds is shared by both sides.
        before += (total - before - observed - after) // 2
        margins += [before, total - before - observed]
    return Crop((margins[0], margins[1], margins[2], margins[3])) @ operator


def _reach(side: int, factor: int) -> tuple[int, int]:
    """Measured pixels that the margins before and after need, for a kernel's side.

    Output i uses the inputs factor * i + side // 2 - j, j = 0 ... side - 1.
    """
    before = -(-(side - 1 - side // 2) // factor)
    after = -(-max(side // 2 - factor + 1, 0) // factor)
    return before, after
