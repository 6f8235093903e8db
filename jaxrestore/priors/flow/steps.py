"""The parameters of a flow's steps: fresh ones, and what the steps compute with.

Matrices are factorised one by one (`lax.map`, not `jax.vmap`): LAPACK's batched kernels
of jaxlib wait, on a thread of the pool, for work that they hand to the same pool, and
those of two blocks at once on two cores wait for ever.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxrestore.nets import flow_steps
from jaxrestore.nets.flow import CouplingNet, ZeroConvolution
from jaxrestore.nets.flow_steps import Coupling
from jaxrestore.priors.flow.config import GlowConfig

_EPSILON = 1e-6  # of the released code, added to a standard deviation


def coupling(config: GlowConfig, block: int) -> Coupling:
    """The coupling of a block's steps."""
    half = config.channels(block) // 2
    features = half if config.coupling == "additive" else 2 * half
    network = CouplingNet(config.widths[block], features, config.compute_dtype)
    return Coupling(config.coupling, network)


def prior_network(config: GlowConfig, block: int) -> ZeroConvolution:
    """Of the kept half, or of zeros in the last block: means and log deviations."""
    return ZeroConvolution(2 * config.latent_shape(block)[2])


def init_params(config: GlowConfig, key: jax.Array) -> dict:
    """Fresh parameters; actnorm is the identity until `initialised`."""
    keys = jax.random.split(key, (config.num_groups, 2))
    params = {}
    for block, (steps_key, prior_key) in enumerate(keys):
        make = partial(_init_step, config, block)
        side, _, channels = config.latent_shape(block)
        seen = jnp.zeros((1, side, side, channels), jnp.float32)
        prior: Any = prior_network(config, block).init(prior_key, seen)
        params[f"block_{block}"] = {
            "steps": lax.map(make, jax.random.split(steps_key, config.steps[block])),
            "prior": prior["params"],
        }
    return params


def _init_step(config: GlowConfig, block: int, key: jax.Array) -> dict:
    channels = config.channels(block)
    net_key, mixing_key = jax.random.split(key)
    half = jnp.zeros((1, 2, 2, channels // 2), jnp.float32)
    network: Any = coupling(config, block).network.init(net_key, half)
    rotation = jax.random.orthogonal(mixing_key, channels, dtype=jnp.float32)
    return {
        "actnorm": {
            "loc": jnp.zeros(channels, jnp.float32),
            "scale": jnp.ones(channels, jnp.float32),
        },
        "mixing": _factors(rotation)
        if config.by_factors(block)
        else {"matrix": rotation},
        "net": network["params"],
    }


def _factors(matrix: jax.Array) -> dict[str, jax.Array]:
    """P, L, U, the sign and the logarithm of U's diagonal, of W = P L U."""
    lower_upper, _, order = lax.linalg.lu(matrix)
    diagonal = jnp.diag(lower_upper)
    # W[order] = L U.
    return {
        "order": jnp.argsort(order).astype(jnp.float32),
        "lower": jnp.tril(lower_upper, -1),
        "upper": jnp.triu(lower_upper, 1),
        "sign": jnp.sign(diagonal),
        "log_scale": jnp.log(jnp.abs(diagonal)),
    }


def matrix_of(mixing: dict) -> tuple[jax.Array, jax.Array]:
    """W (C, C) of a 1x1 convolution y = W x, and log |det W|.

    "order" and "sign" are constants: their gradients are zero, and the rounding
    here takes away what averages of the weights make of them.
    """
    if "matrix" in mixing:
        return mixing["matrix"], jnp.linalg.slogdet(mixing["matrix"])[1]
    order = lax.stop_gradient(jnp.round(mixing["order"])).astype(jnp.int32)
    sign = lax.stop_gradient(jnp.sign(mixing["sign"]))
    diagonal = sign * jnp.exp(mixing["log_scale"])
    lower = jnp.tril(mixing["lower"], -1) + jnp.eye(len(order), dtype=jnp.float32)
    upper = jnp.triu(mixing["upper"], 1) + jnp.diag(diagonal)
    product = jnp.matmul(lower, upper, precision="highest")
    return product[order], mixing["log_scale"].sum()


def prepared(steps: dict, constant: str = "inverse") -> tuple[dict, jax.Array]:
    """What `nets.flow_steps` takes, and log |det| of each linear map by pixel (K,).

    Actnorm s (x + loc) and the 1x1 convolution W become one map x M + v.

    Args:
        steps: stacked parameters of K steps.
        constant: "inverse" for `encode` or "matrix" for `decode`, which only bring
            back what was computed: they are not differentiated.
    """

    def one(step):
        actnorm, mixing = step
        matrix, log_det = matrix_of(mixing)
        scale = actnorm["scale"]
        linear: Any = {
            "matrix": scale[:, None] * matrix.T,
            "inverse": jnp.linalg.inv(matrix).T / scale,
            "offset": jnp.matmul(matrix, scale * actnorm["loc"], precision="highest"),
        }
        linear[constant] = lax.stop_gradient(linear[constant])
        return linear, log_det + jnp.log(jnp.abs(scale)).sum()

    linear, log_det = lax.map(one, (steps["actnorm"], steps["mixing"]))
    return linear | {"net": steps["net"]}, log_det


def set_actnorm(
    steps: dict, coupling: Coupling, x: jax.Array
) -> tuple[dict, jax.Array]:
    """The steps with actnorms that whiten what reaches them, and what they make of it.

    loc = -mean and s = 1 / (std + 1e-6), std with n - 1, of each channel over the
    batch, one step after the other.

    Args:
        steps: stacked parameters of K steps.
        x: (N, H, W, C).
    """

    def one(x, step):
        count = x[..., 0].size
        mean = x.mean((0, 1, 2))
        variance = jnp.square(x - mean).sum((0, 1, 2)) / (count - 1)
        actnorm = {"loc": -mean, "scale": 1 / (jnp.sqrt(variance) + _EPSILON)}
        step = step | {"actnorm": actnorm}
        alone = jax.tree.map(lambda leaf: leaf[None], step)
        linear = jax.tree.map(lambda leaf: leaf[0], prepared(alone)[0])
        return flow_steps.forward(coupling, linear, x)[0], step

    x, steps = lax.scan(one, x, steps)
    return steps, x
