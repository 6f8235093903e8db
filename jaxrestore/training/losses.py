"""Terms of the training losses of hierarchical VAEs."""

import jax
import jax.numpy as jnp

from jaxrestore.priors.hvae.gaussian import Gaussian

TARGET_STD = 0.015  # width of the Gaussian around a pixel, on [-1, 1]


def reconstruction_kl(target: jax.Array, decoder: Gaussian) -> jax.Array:
    """KL(N(target, 0.015^2) || decoder) summed over all elements, in nats.

    The published reconstruction loss of PatchVDVAE: unlike -log p(x | z) it is
    non-negative and does not reward a standard deviation far below 0.015.

    Args:
        target: image on [-1, 1], (..., H, W, C).
        decoder: p(x | z) of the same shape.
    """
    return decoder.kl_from(Gaussian(target, jnp.full_like(target, TARGET_STD)))


def kl_weight(step: jax.Array, start: int, steps: int, final: float = 1.0) -> jax.Array:
    """KL warm-up: clip((n - start) / (start + steps), 1e-4, final).

    The divisor ``start + steps`` is the published code's (start 21, steps 5000,
    final 1). A smaller ``final`` buys sharper reconstructions for a looser bound.
    With ``start = steps = 0`` there is no warm-up: ``final`` from the first step on.
    """
    if start + steps == 0:
        return jnp.full(jnp.shape(step), final, jnp.float32)
    return jnp.clip((step - start) / (start + steps), 1e-4, final)


def balanced_kl(kl: jax.Array, elements: jax.Array) -> jax.Array:
    """Sum of KL_l weighted by gamma_l = L a_l / sum(a), a constant for the gradient.

    a_l is the KL per latent element: groups that carry more pay more, so that no
    group falls silent early in the training.

    Args:
        kl: (L,) batch means in nats.
        elements: (L,) latent elements of each group.
    """
    per_element = kl / elements
    gamma = kl.shape[0] * per_element / jnp.maximum(per_element.sum(), 1e-12)
    return jnp.sum(jax.lax.stop_gradient(gamma) * kl)
