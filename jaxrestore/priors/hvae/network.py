"""What the network of a hierarchical VAE brings, and the walk along its groups."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp

from jaxrestore.errors import InputError
from jaxrestore.priors.hvae.rules import LatentRule
from jaxrestore.priors.hvae.walk import Collect, Run, per_group, top_down


@dataclass(frozen=True)
class HierarchicalNetwork:
    """Encoder and decoder of L latent groups with their parameters: a pytree.

    A subclass brings the network (`init_params`, `_bottom_up`, `_runs`, `_decode`) and
    says how the encoder sees an image (`_inputs`), what the decoder's distribution
    means (`_target`, `_to_unit`) and, where it takes more than one, which image sizes
    it takes (`_canvas`).

    Attributes:
        params: nested dicts of arrays.
        config: the architecture, static.
        log_bins: nats to add per dimension to turn -log p(x | z) into that of a
            pixel value: -log of the bin width of a density, 0 for a probability.
    """

    params: dict
    config: Any = field(metadata={"static": True})
    log_bins: ClassVar[float] = 0.0

    @classmethod
    def create(cls, config: Any, key: jax.Array) -> Self:
        """A network with fresh random parameters."""
        init = jax.jit(cls.init_params, static_argnums=0)
        return cls(init(config, key), config)

    @staticmethod
    def init_params(config: Any, key: jax.Array) -> dict:
        """Fresh parameters as nested dicts of float32 arrays."""
        raise NotImplementedError

    @property
    def num_groups(self) -> int:
        """L, the number of latent groups."""
        return self.config.num_groups

    def latent_shapes(self, shape: tuple[int, int]) -> tuple[tuple[int, ...], ...]:
        """Shape of each group's latent for images of (H, W)."""
        runs = self.runs(None, shape)
        return tuple(run.latent_shape for run in runs for _ in range(run.count))

    def skips(self, image, encoder_noise=None) -> Any:
        """What the bottom-up path of the encoder hands to the top-down path."""
        return self._bottom_up(self._inputs(self._checked(image), encoder_noise))

    def _checked(self, image: jax.Array) -> jax.Array:
        """The image in float32.

        Raises:
            InputError: it is a batch, or of other channels or another size.
        """
        channels = self.config.image_channels
        if image.ndim != 3 or image.shape[-1] != channels:
            raise InputError(
                f"image: shape {image.shape}, expected (H, W, {channels}); use "
                "jax.vmap for batches"
            )
        self._canvas(image.shape[:2])
        return jnp.asarray(image, jnp.float32)

    def _check_groups(self, latents, least: int) -> None:
        if not least <= len(latents) <= self.num_groups:
            raise InputError(
                f"latents: got {len(latents)} groups, expected "
                f"{f'{least} to ' if least < self.num_groups else ''}{self.num_groups}"
                "; pass what encode returns"
            )

    def _walk(self, rule: LatentRule, skips, shape, collect: Collect):
        path = self.runs(skips, shape)
        stream, kept = top_down(path, rule, collect, self.config.unroll)
        return self._head(stream, shape), per_group(kept)

    def runs(self, skips: Any, shape: tuple[int, int]) -> list[Run]:
        """The top-down path, for walks of one's own; `skips` may be None."""
        return self._runs(skips, self._canvas(shape))

    def image(self, stream: jax.Array, shape: tuple[int, int], key=None) -> jax.Array:
        """The decoder mean (H, W, C) in [0, 1] at the end of a walk.

        With the key of the walk a draw from p(x | z) instead, not clipped.
        """
        return self._image(self._head(stream, shape), key)

    def _image(self, decoded: Any, key) -> jax.Array:
        if key is None:
            return self._to_unit(decoded)[0]
        # The walk's keys are folded with 0 ... L - 1.
        return self._drawn(decoded.sample(jax.random.fold_in(key, self.num_groups)))

    def moments(self, stream, shape: tuple[int, int]) -> tuple[jax.Array, jax.Array]:
        """Mean and standard deviation of p(x | z) there, (H, W, C), [0, 1] units."""
        return self._to_unit(self._head(stream, shape))

    def _head(self, stream: jax.Array, shape: tuple[int, int]):
        decoded = self._decode(stream)
        return jax.tree.map(lambda stat: stat[: shape[0], : shape[1]], decoded)

    def _canvas(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """(H, W) that the network works on for an image of ``shape``; here it alone.

        Raises:
            InputError: the network does not take images of that size.
        """
        size = self.config.image_size
        if tuple(shape) != (size, size):
            raise InputError(
                f"image: height and width {tuple(shape)}, this {type(self).__name__}"
                f" takes {size} x {size} alone; resize or crop, or use a PatchVDVAE"
            )
        return size, size

    def _inputs(self, image: jax.Array, encoder_noise: Any) -> jax.Array:
        """What the encoder sees of an image, on the canvas."""
        raise NotImplementedError

    def _bottom_up(self, inputs: jax.Array) -> Any:
        """The encoder's path up: what `_runs` takes as skips."""
        raise NotImplementedError

    def _runs(self, skips: Any, canvas: tuple[int, int]) -> list[Run]:
        """The top-down path; `skips` may be None for rules without a posterior."""
        raise NotImplementedError

    def _decode(self, stream: jax.Array) -> Any:
        """p(x | z) on the canvas, in the network's units, from the stream's end."""
        raise NotImplementedError

    def _target(self, image: jax.Array) -> jax.Array:
        """The value, in the network's units, that p(x | z) scores for an image."""
        raise NotImplementedError

    def _drawn(self, value: jax.Array) -> jax.Array:
        """A draw of p(x | z) in [0, 1] units, from the network's."""
        return value

    def _to_unit(self, decoded: Any) -> tuple[jax.Array, jax.Array]:
        """Mean and standard deviation of p(x | z) in [0, 1] units, (H, W, C)."""
        raise NotImplementedError
