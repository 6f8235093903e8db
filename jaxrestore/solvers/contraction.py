"""Whether PnP-HVAE contracts at an image, and what its fixed points satisfy."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrestore.errors import InputError
from jaxrestore.likelihoods import Observation
from jaxrestore.solvers.pnp_hvae import PnPHVAE


class Contraction(NamedTuple):
    """What Corollaries 1 and 2 ask of T = prox o HVAE, at one image x.

    Attributes:
        reconstruction: norm of the derivative of HVAE(., tau) at x. The constant
            L_tau of the thesis is its largest value over all images.
        data: sigma^2 / (gamma^2 lambda_min(A'A) + sigma^2), the Lipschitz constant of
            the data step; 1 where A loses something.
        bound: their product, which Proposition 5.4 puts above `step`. Below 1
            everywhere, T has one fixed point and the run converges (Corollary 1).
        step: norm of the derivative of T at x.
        gap: relative distance ||T(x) - x|| / ||x|| from a fixed point, where
            grad f(x) = (HVAE(x) - x) / gamma^2 (Proposition 5.5). Corollary 2 reads the
            right-hand side as grad log p_tau(x); that holds at temperature 1 with
            q = p(z | x), else roughly (docs/fidelity.md).
    """

    reconstruction: jax.Array
    data: jax.Array
    bound: jax.Array
    step: jax.Array
    gap: jax.Array


def contraction(
    method: PnPHVAE,
    observation: Observation,
    image: jax.Array,
    key: jax.Array,
    rounds: int = 30,
) -> Contraction:
    """Evaluates the bound of Corollary 1 for an operator and a prior, at an image.

    Norms are by the power method on J'J, estimates from below that rise with `rounds`.
    The schedule is at its end and nothing is flipped, as where a run converges.

    Args:
        method: its prior, temperature, decoder_std (a number) and encoder_noise.
        observation: the operator, linear, and the Gaussian noise.
        image: x, (H, W, C), such as a `Restoration`'s `image`.
        key: of the first vectors.
        rounds: static, of the power method.

    Raises:
        InputError: a decoder_std that the decoder predicts: the thesis' propositions
            are about a constant one.
    """
    if method.decoder_std is None:
        raise InputError(
            "decoder_std=None: the bound needs a constant, expected a number such as"
            " 10/255"
        )
    return _contraction(method.validate(observation), observation, image, key, rounds)


@partial(jax.jit, static_argnames="rounds")
def _contraction(method: PnPHVAE, observation, image, key, rounds) -> Contraction:
    last = jnp.int32(len(method.schedule) - 1)
    variance = (method.schedule[-1, 1] * method.decoder_std) ** 2

    def reconstruct(x):
        return method.reconstruction(x, last, 0).mean

    def data(v):
        return observation.prox(v, variance)

    first, second, third = jax.random.split(key, 3)
    after = reconstruct(image)
    reconstruction = _norm(reconstruct, image, first, rounds)
    shrinks = _norm(data, after, second, rounds)
    step = _norm(lambda x: data(reconstruct(x)), image, third, rounds)
    gap = jnp.linalg.norm((data(after) - image).ravel())
    gap /= jnp.linalg.norm(image.ravel())
    return Contraction(reconstruction, shrinks, reconstruction * shrinks, step, gap)


def _norm(function, at: jax.Array, key: jax.Array, rounds: int) -> jax.Array:
    """Largest singular value of a derivative, by the power method on J'J."""
    _, forward = jax.linearize(function, at)
    backward = jax.linear_transpose(forward, at)

    def once(_, carry):
        direction, _ = carry
        image = forward(direction)
        (back,) = backward(image)
        length = jnp.linalg.norm(back.ravel())
        tiny = jnp.finfo(back.dtype).tiny
        return back / jnp.maximum(length, tiny), jnp.linalg.norm(image.ravel())

    start = jax.random.normal(key, at.shape, at.dtype)
    start /= jnp.linalg.norm(start.ravel())
    return jax.lax.fori_loop(0, rounds, once, (start, jnp.zeros((), at.dtype)))[1]
