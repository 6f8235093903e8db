"""The adversarial local regulariser: a critic of patches, averaged over an image."""

from dataclasses import dataclass, field
from typing import Any, Self

import jax
import jax.numpy as jnp

from jaxrestore.errors import InputError
from jaxrestore.nets.critic import LocalCritic
from jaxrestore.priors.config import NetworkConfig, channels, sizes
from jaxrestore.pytrees import pytree
from jaxrestore.settings import choice, static


@dataclass(frozen=True)
class CriticConfig(NetworkConfig):
    """Architecture of a `Critic`.

    Attributes:
        widths: channels after each 3x3 convolution with ReLU; a last one to one
            channel follows, so that six widths see 15x15 pixels. The thesis gives
            six layers, which see 13x13, and no widths; these are ours.
        image_channels: 3 for colour, 1 for grey.
        boundary: which patches of a whole image count. "valid": those inside it, as
            in the thesis; a pixel at the border then lies in fewer patches (a corner
            in 1 instead of 225) and is regularised less. "symmetric": the image is
            mirrored at its borders first, so that each pixel counts equally.
        growth: "linear" with the distance to clean patches, as in the thesis, or
            "quadratic": the network also sees a time, see `transport_criterion`.
    """

    widths: tuple[int, ...] = static((16, 32, 32, 64, 64, 64), sizes)
    image_channels: int = static(3, channels)
    boundary: str = static("symmetric", choice("symmetric", "valid"))
    growth: str = static("linear", choice("linear", "quadratic"))

    @property
    def receptive_field(self) -> int:
        """Side of the patches, in pixels."""
        return 2 * (len(self.widths) + 1) + 1

    @property
    def seen_channels(self) -> int:
        """What the network sees of a pixel."""
        return self.image_channels + (self.growth == "quadratic")


@pytree
@dataclass(frozen=True)
class Critic:
    """A trained critic r as a regulariser g of images: a pytree, its config static.

    g(x) = mean_i r(x_i) over the patches x_i of the image (thesis, 3.3): high where
    patches look degraded, low where they look clean, and known up to a constant, so
    that its sign means nothing. Images of any size, float32 in [0, 1].

    Attributes:
        params: nested dicts of arrays.
        config: the architecture.
    """

    params: dict
    config: CriticConfig = field(metadata={"static": True})

    @classmethod
    def create(cls, config: CriticConfig, key: jax.Array) -> Self:
        """A critic with fresh random weights (He normal)."""
        side = config.receptive_field
        blank = jnp.zeros((1, side, side, config.seen_channels), jnp.float32)
        variables: Any = LocalCritic(config.widths).init(key, blank)
        return cls(variables["params"], config)

    def score_patches(self, patches: jax.Array, time: Any = 1.0) -> jax.Array:
        """r of each patch: (N, P, P, C) with P = `receptive_field`, to (N,).

        Larger "patches" get the mean over those inside.

        Args:
            time: in [0, 1], () or (N,), of critics of quadratic growth alone; at 1 the
                potential is the regulariser.
        """
        return self._apply(patches, padding=0, time=time).mean((1, 2, 3))

    def score_map(self, image: jax.Array) -> jax.Array:
        """r at every position inside an image: (H, W, C) -> (H - P + 1, W - P + 1).

        Raises:
            InputError: the image is smaller than a patch, or of other channels.
        """
        margin = self.config.receptive_field // 2
        rows, columns = (slice(margin, n - margin) for n in image.shape[:2])
        return self._apply(image[None], padding=1)[0, rows, columns, 0]

    def __call__(self, image: jax.Array) -> jax.Array:
        """g(image), the mean score; (H, W, C) -> ().

        Over (H - P + 1)(W - P + 1) patches with ``boundary="valid"``, over H W with
        "symmetric".

        Raises:
            InputError: as `score_map`; with "symmetric" any size will do.
        """
        if self.config.boundary == "symmetric":
            margin = self.config.receptive_field // 2
            sides = ((margin, margin), (margin, margin), (0, 0))
            image = jnp.pad(image, sides, mode="symmetric")
        return self.score_map(image).mean()

    def gradient(self, image: jax.Array) -> jax.Array:
        """Gradient of g, (H, W, C) -> (H, W, C); g is piecewise linear."""
        return jax.grad(self)(image)

    def _apply(self, images: jax.Array, padding: int, time: Any = 1.0) -> jax.Array:
        side, channels = self.config.receptive_field, self.config.image_channels
        if min(images.shape[1:3]) < side or images.shape[3] != channels:
            raise InputError(
                f"image has shape {images.shape[1:]}; this critic takes at least"
                f" {side}x{side} pixels of {channels} channels; take a larger image,"
                " or another prior"
            )
        network = LocalCritic(self.config.widths, padding)
        inputs = jnp.asarray(images, jnp.float32)  # as the parameters, in x64, too
        if self.config.growth == "quadratic":
            time = jnp.asarray(time, jnp.float32).reshape(-1, 1, 1, 1)
            when = jnp.broadcast_to(time, (*inputs.shape[:3], 1))
            inputs = jnp.concatenate([inputs, when], -1)
        return network.apply({"params": self.params}, inputs)  # type: ignore[return-value]
