"""Degradations A as JAX pytrees: call, adjoint and solves."""

from jaxrestore.operators import kernels
from jaxrestore.operators.base import Chain, Compose, LinearOperator, Operator
from jaxrestore.operators.blur import Blur
from jaxrestore.operators.canvas import fast_fft_size
from jaxrestore.operators.checks import OperatorReport, check_operator
from jaxrestore.operators.jpeg import JPEG
from jaxrestore.operators.linear_solve import conjugate_gradient
from jaxrestore.operators.pointwise import Crop, Identity, Mask
from jaxrestore.operators.resample import Downsample
from jaxrestore.operators.resize import FILTERS, Resize
from jaxrestore.operators.sensing import Matrix

__all__ = [
    "FILTERS",
    "JPEG",
    "Blur",
    "Chain",
    "Compose",
    "Crop",
    "Downsample",
    "Identity",
    "LinearOperator",
    "Mask",
    "Matrix",
    "Operator",
    "OperatorReport",
    "Resize",
    "check_operator",
    "conjugate_gradient",
    "fast_fft_size",
    "kernels",
]
