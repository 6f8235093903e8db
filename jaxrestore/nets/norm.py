"""Batch normalisation as a function: its statistics are parameters."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

STATISTICS = ("running_mean", "running_var")
MOMENTUM = 0.1
_EPSILON = 1e-5

_AXIS: ContextVar[str | None] = ContextVar("_AXIS", default=None)


@contextmanager
def batch_statistics(axis: str) -> Iterator[None]:
    """Within, `Norm` takes mean and variance over a `jax.vmap` axis of this name.

    The gradient with respect to its `STATISTICS` is then their difference from those
    of the batch, whatever the loss: plain descent with the rate `MOMENTUM` follows
    them as torch does.
    """
    token = _AXIS.set(axis)
    try:
        yield
    finally:
        _AXIS.reset(token)


class Norm(nn.Module):
    """(x - mean) / sqrt(var + 1e-5) * scale + bias of each channel: (H, W, C) to same.

    mean and var are parameters, or those of a batch (`batch_statistics`).
    """

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        zeros, ones = nn.initializers.zeros, nn.initializers.ones
        shape = (x.shape[-1],)
        scale = self.param("scale", ones, shape, jnp.float32)
        bias = self.param("bias", zeros, shape, jnp.float32)
        mean = self.param(STATISTICS[0], zeros, shape, jnp.float32)
        var = self.param(STATISTICS[1], ones, shape, jnp.float32)
        axis = _AXIS.get()
        if axis is not None:
            x, mean, var = _of_batch(x, mean, var, axis)
        return (x - mean) * (scale * lax.rsqrt(var + _EPSILON)) + bias


def _of_batch(x, running_mean, running_var, axis):
    size = lax.psum(1, axis)
    own_mean = x.mean((0, 1))
    mean = lax.pmean(own_mean, axis)
    own_var = jnp.square(x - mean).mean((0, 1))
    count = size * x.shape[0] * x.shape[1]
    unbiased = own_var * count / max(count - 1, 1)
    # Each image's own: the gradients of a batch add up.
    x = _followed(x, running_mean, own_mean, 1 / size)
    x = _followed(x, running_var, unbiased, 1 / size)
    return x, mean, lax.pmean(own_var, axis)


@jax.custom_vjp
def _followed(x, running, batch, share):
    """x; the gradient with respect to `running` is (running - batch) share."""
    return x


def _forward(x, running, batch, share):
    return x, (running - batch) * share


def _backward(difference, cotangent):
    return cotangent, difference, jnp.zeros_like(difference), 0.0


_followed.defvjp(_forward, _backward)
