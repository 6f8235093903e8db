"""Equal steps of a flow, stacked: forwards, backwards, and their gradients.

A step is y = couple(x M + v): a linear map of the channels (actnorm and 1x1
convolution in one) and a coupling, which changes the second half of the channels in a
way that the first half decides. The rule of differentiation keeps the last output
alone: it computes each input again from its output, by the inverse step, so that
memory does not grow with depth.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxrestore.nets.flow import CouplingNet

COUPLINGS = ("additive", "affine", "affine_exp")


@dataclass(frozen=True)
class Coupling:
    """c = join(b, net(a)) of the halves (a, b) of the channels; a stays.

    Attributes:
        kind: "additive": c = b + t. "affine": c = (b + t) s, s = sigmoid(r + 2), the
            rule of Glow's code and its ports. "affine_exp": c = b s + t, s = exp(r),
            the rule of Glow's table 1. (r, t) are the halves of the network's output.
        network: a -> t or (r, t).
    """

    kind: str
    network: CouplingNet

    def raw(self, params: Any, a: jax.Array) -> jax.Array:
        """What the network makes of the first half."""
        return self.network.apply({"params": params}, a)  # type: ignore[return-value]

    def join(self, b: jax.Array, raw: jax.Array) -> tuple[jax.Array, jax.Array]:
        """c and the log-determinant of b -> c, (N,)."""
        if self.kind == "additive":
            return b + raw, jnp.zeros(len(b), b.dtype)
        log_scale, shift = self._scale(raw)
        log_det = log_scale.sum((1, 2, 3))
        if self.kind == "affine":
            return (b + shift) * jnp.exp(log_scale), log_det
        return b * jnp.exp(log_scale) + shift, log_det

    def part(self, c: jax.Array, raw: jax.Array) -> jax.Array:
        """b, the inverse of `join`."""
        if self.kind == "additive":
            return c - raw
        log_scale, shift = self._scale(raw)
        if self.kind == "affine":
            return c * jnp.exp(-log_scale) - shift
        return (c - shift) * jnp.exp(-log_scale)

    def _scale(self, raw: jax.Array) -> list[jax.Array]:
        log_scale, shift = jnp.split(raw, 2, -1)
        if self.kind == "affine":
            log_scale = jax.nn.log_sigmoid(log_scale + 2)
        return [log_scale, shift]


def _halves(x: jax.Array) -> list[jax.Array]:
    return jnp.split(x, 2, -1)


def _joined(*parts: jax.Array) -> jax.Array:
    return jnp.concatenate(parts, -1)


def forward(coupling: Coupling, p: dict, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """One step: y, and the log-determinant of its coupling alone, (N,)."""
    a, b = _halves(x @ p["matrix"] + p["offset"])
    c, log_det = coupling.join(b, coupling.raw(p["net"], a))
    return _joined(a, c), log_det


def inverse(coupling: Coupling, p: dict, y: jax.Array) -> jax.Array:
    """x from y."""
    a, c = _halves(y)
    b = coupling.part(c, coupling.raw(p["net"], a))
    return (_joined(a, b) - p["offset"]) @ p["inverse"]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def encode(coupling: Coupling, params: dict, x: jax.Array) -> Any:
    """All steps, x to y.

    Args:
        coupling: of each step.
        params: with a leading axis over the steps: "matrix" (C, C), "inverse" its
            inverse, "offset" (C,), and "net", those of the coupling's network.
        x: (N, H, W, C).

    Returns:
        y, and the log-determinant of the couplings (N,), in nats.
    """

    def step(carry: Any, p):
        x, total = carry
        y, log_det = forward(coupling, p, x)
        return (y, total + log_det), None

    return lax.scan(step, (x, jnp.zeros(len(x), x.dtype)), params)[0]


def _encode_forward(coupling, params, x):
    found: Any = encode(coupling, params, x)
    return found, (params, found[0])


def _encode_backward(coupling, saved, cotangents):
    params, y = saved
    slope, of_log_det = cotangents

    def step(carry, p):
        (a, c), (slope_a, slope_c) = map(_halves, carry)
        raw, pull_net = jax.vjp(coupling.raw, p["net"], a)
        b = coupling.part(c, raw)
        slope_b, slope_raw = jax.vjp(coupling.join, b, raw)[1]((slope_c, of_log_det))
        slope_net, more = pull_net(slope_raw)
        slope = _joined(slope_a + more, slope_b)
        x = (_joined(a, b) - p["offset"]) @ p["inverse"]
        pulled = {
            "matrix": jnp.einsum("nhwi,nhwj->ij", x, slope),
            "inverse": jnp.zeros_like(p["inverse"]),
            "offset": slope.sum((0, 1, 2)),
            "net": slope_net,
        }
        return (x, slope @ p["matrix"].T), pulled

    (_, slope), pulled = lax.scan(step, (y, slope), params, reverse=True)
    return pulled, slope


encode.defvjp(_encode_forward, _encode_backward)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def decode(coupling: Coupling, params: dict, y: jax.Array) -> jax.Array:
    """All steps backwards, y to x; arguments as for `encode`."""

    def step(y, p):
        return inverse(coupling, p, y), None

    return lax.scan(step, y, params, reverse=True)[0]


def _decode_forward(coupling, params, y):
    x = decode(coupling, params, y)
    return x, (params, x)


def _decode_backward(coupling, saved, slope):
    params, x = saved

    def step(carry, p):
        x, slope = carry
        pulled = {
            "matrix": jnp.zeros_like(p["matrix"]),
            "inverse": jnp.einsum("nhwi,nhwj->ij", x @ p["matrix"], slope),
        }
        slope = slope @ p["inverse"].T
        pulled["offset"] = -slope.sum((0, 1, 2))
        (a, b), (slope_a, slope_b) = (
            _halves(x @ p["matrix"] + p["offset"]),
            _halves(slope),
        )
        raw, pull_net = jax.vjp(coupling.raw, p["net"], a)
        c, _ = coupling.join(b, raw)
        slope_c, slope_raw = jax.vjp(coupling.part, c, raw)[1](slope_b)
        pulled["net"], more = pull_net(slope_raw)
        return (_joined(a, c), _joined(slope_a + more, slope_c)), pulled

    (_, slope), pulled = lax.scan(step, (x, slope), params)
    return pulled, slope


decode.defvjp(_decode_forward, _decode_backward)
