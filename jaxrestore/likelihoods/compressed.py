"""The observation that a JPEG file makes."""

import numpy as np

from jaxrestore.data.jpeg import JPEGFile
from jaxrestore.likelihoods.observation import Observation
from jaxrestore.likelihoods.quantised import QuantisedNoise
from jaxrestore.operators import Identity, LinearOperator
from jaxrestore.operators.jpeg import JPEG, TO_YCBCR

# Rounding to 8 bits before compression, of colours as YCbCr and in the integer DCT.
ROUNDING_STD = 0.5 / 255


def jpeg_observation(
    file: JPEGFile, operator: LinearOperator | None = None, noise_std: float = 0.0
) -> Observation:
    """The cells that a file's DCT coefficients were rounded to, as an `Observation`.

    Args:
      file: from `read_jpeg`.
      operator: what happened before compression, such as a blur; it makes upright
        images of the file's size. Take ``operator.unknown_boundary`` for photographs.
      noise_std: of white noise in RGB before compression, >= 0 in [0, 1] units; the
        rounding to 8 bits is added.

    Returns:
      Of ``JPEG @ operator`` with `QuantisedNoise`. Its `prox` serves solvers with a
      data step; `initial_image` is the decoded file.

    Raises:
      InputError: sizes that do not fit, or an unusable noise level.
    """
    jpeg = JPEG(file.size, file.factors, file.orientation)
    colours = np.linalg.norm(TO_YCBCR, axis=1) if len(file.factors) == 3 else [1.0]
    averaged = [v * h for v, h in file.factors]
    variance = (noise_std * np.asarray(colours)) ** 2 / averaged + ROUNDING_STD**2
    noise = QuantisedNoise(file.widths, jpeg.per_coefficient(np.sqrt(variance)))
    combined: LinearOperator = jpeg
    if operator is not None and not isinstance(operator, Identity):
        combined = jpeg @ operator  # type: ignore[assignment]
    return Observation.create(file.coefficients, combined, noise)
