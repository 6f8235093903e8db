"""Blur kernels from photographs alone."""

from jaxrestore.estimation.kernel.estimate import KernelEstimate, estimate_kernel

__all__ = ["KernelEstimate", "estimate_kernel"]
