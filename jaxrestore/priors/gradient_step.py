"""A denoiser that is a gradient step on a potential, as a regulariser."""

from dataclasses import dataclass, field
from typing import Any, Self

import jax
import jax.numpy as jnp

from jaxrestore.errors import InputError
from jaxrestore.nets.critic import LocalCritic
from jaxrestore.priors.config import NetworkConfig, channels, sizes
from jaxrestore.pytrees import pytree
from jaxrestore.settings import static


@dataclass(frozen=True)
class GradientStepConfig(NetworkConfig):
    """Architecture of a `GradientStep`.

    Attributes:
        widths: channels after each 3x3 convolution with ELU; a last one to the image's
            channels follows. By default as of a `Critic`.
        image_channels: 3 for colour, 1 for grey.
    """

    widths: tuple[int, ...] = static((16, 32, 32, 64, 64, 64), sizes)
    image_channels: int = static(3, channels)


@pytree
@dataclass(frozen=True)
class GradientStep:
    """A gradient-step denoiser D(x) = x - grad G(x) (Hurault et al. 2021).

        G(x) = || x - N(x) ||^2 / 2,  grad G(x) = (I - J_N(x))^T (x - N(x))

    where a convolutional network, not told the noise level, gives x - N(x). D has a
    symmetric derivative and is, as the best denoiser by Tweedie's formula, a step
    uphill on the logarithm of a density. It is trained by its squared error
    (`training.recipes.gradient_step`), a `Critic` to tell clean from degraded patches.
    Images of any size, float32 in [0, 1]; the network sees zeros beyond their borders.

    Attributes:
        params: nested dicts of arrays.
        config: the architecture.
    """

    params: dict
    config: GradientStepConfig = field(metadata={"static": True})

    @classmethod
    def create(cls, config: GradientStepConfig, key: jax.Array) -> Self:
        """A denoiser with fresh random weights (He normal)."""
        blank = jnp.zeros((1, 3, 3, config.image_channels), jnp.float32)
        network = LocalCritic(config.widths, 1, config.image_channels, jax.nn.elu)
        variables: Any = network.init(key, blank)
        return cls(variables["params"], config)

    def __call__(self, image: jax.Array) -> jax.Array:
        """g(x) = G(x) / (H W), (H, W, C) -> ().

        As a regulariser of `Variational` with weight 1 / noise_std a descent of size
        one from y is D(y).

        Raises:
            InputError: the image has other channels.
        """
        return self._potentials(image[None]) / (image.shape[0] * image.shape[1])

    def denoise(self, image: jax.Array) -> jax.Array:
        """D(image), (H, W, C) -> (H, W, C), not clipped; raises as the call."""
        return self.denoise_batch(image[None])[0]

    def denoise_batch(self, images: jax.Array) -> jax.Array:
        """D of each of (N, H, W, C): faster to train with than `jax.vmap`."""
        return images - jax.grad(self._potentials)(images)

    def _potentials(self, images: jax.Array) -> jax.Array:
        """The sum of G over (N, H, W, C)."""
        return jnp.sum(self.rest(images) ** 2) / 2

    def rest(self, images: jax.Array) -> jax.Array:
        """x - N(x) of each of (N, H, W, C).

        Raises:
            InputError: the images have other channels.
        """
        channels = self.config.image_channels
        if images.shape[-1] != channels:
            raise InputError(
                f"image has shape {images.shape[1:]}; this denoiser takes {channels}"
                " channels; take another prior"
            )
        inputs = jnp.asarray(images, jnp.float32)
        network = LocalCritic(self.config.widths, 1, channels, jax.nn.elu)
        return network.apply({"params": self.params}, inputs)  # type: ignore[return-value]
