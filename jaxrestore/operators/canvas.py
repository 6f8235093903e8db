"""Unknown boundaries: a photograph as the visible part of a larger canvas."""

import math

import jax

from jaxrestore.errors import InputError
from jaxrestore.operators.base import Compose, Operator, Shape
from jaxrestore.operators.blur import Blur
from jaxrestore.operators.pointwise import Crop, Identity, Mask
from jaxrestore.operators.resample import Downsample


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
    while not _is_smooth(count):
        count += 1
    return count * multiple_of


def unknown_boundary(
    operator: Operator, observed_shape: Shape, multiple_of: int = 1
) -> Operator:
    """The non-periodic version of an operator, for real photographs.

    Nobody knows the scene outside a photograph, and it is not periodic. The returned
    operator acts on a canvas that is larger by what the kernel reaches over the border
    and keeps what was observed: `Crop(margins) @ operator`. Masks stay in front.

    Args:
      operator: Blur, Downsample, Identity, Mask, or Mask @ one of them.
      observed_shape: (H, W, C) of the measurement.
      multiple_of: the canvas's height and width become multiples of it, for instance
        of a prior's stride, which then pads nothing.

    Returns:
      An operator whose `input_shape(observed_shape)` is the canvas, of FFT-friendly
      size; `visible_part` cuts the photograph's frame from a restored canvas.
    """
    if isinstance(operator, Identity | Mask):
        return operator
    if isinstance(operator, Compose):
        outer, *inner = operator.operators
        if isinstance(outer, Identity | Mask) and inner:
            rest = inner[0] if len(inner) == 1 else Compose(tuple(inner))
            return outer @ unknown_boundary(rest, observed_shape, multiple_of)
    if not isinstance(operator, Blur | Downsample):
        raise InputError(
            f"operator {type(operator).__name__} has no unknown-boundary version; "
            "expected Blur, Downsample, Identity, Mask or Mask @ one of them; compose "
            "it with Crop yourself"
        )
    factor = operator.factor if isinstance(operator, Downsample) else 1
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


def visible_part(operator: Operator, image: jax.Array) -> jax.Array:
    """The part of a restored image that the measurement shows.

    Args:
      operator: as returned by `unknown_boundary`; without a Crop nothing is cut.
      image: (H, W, C), the canvas.
    """
    parts = operator.operators if isinstance(operator, Compose) else (operator,)
    for index, part in enumerate(parts):
        if isinstance(part, Crop):
            factors = [p.factor for p in parts[index:] if isinstance(p, Downsample)]
            scale = factors[0] if factors else 1
            top, bottom, left, right = (margin * scale for margin in part.margins)
            return Crop((top, bottom, left, right))(image)
    return image


def _reach(side: int, factor: int) -> tuple[int, int]:
    """Measured pixels that the margins before and after need, for a kernel's side.

    Output i uses the inputs factor * i + side // 2 - j, j = 0 ... side - 1.
    """
    before = -(-(side - 1 - side // 2) // factor)
    after = -(-max(side // 2 - factor + 1, 0) // factor)
    return before, after


def _is_smooth(number: int) -> bool:
    for prime in (2, 3, 5, 7):
        while number % prime == 0:
            number //= prime
    return number == 1
