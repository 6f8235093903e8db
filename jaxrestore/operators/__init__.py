"""Degradations A as JAX pytrees: call, adjoint and solves."""

from jaxrestore.operators import kernels
from jaxrestore.operators.base import Compose, Operator
from jaxrestore.operators.blur import Blur
from jaxrestore.operators.canvas import fast_fft_size, unknown_boundary, visible_part
from jaxrestore.operators.checks import OperatorReport, check_operator
from jaxrestore.operators.linear_solve import conjugate_gradient
from jaxrestore.operators.pointwise import Crop, Identity, Mask
from jaxrestore.operators.resample import Downsample
from jaxrestore.operators.sensing import Matrix

__all__ = [
    "Blur",
    "Compose",
    "Crop",
    "Downsample",
    "Identity",
    "Mask",
    "Matrix",
    "Operator",
    "OperatorReport",
    "check_operator",
    "conjugate_gradient",
    "fast_fft_size",
    "kernels",
    "unknown_boundary",
    "visible_part",
]
