"""What the recipes of hierarchical VAEs share: schedule and pictures."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxrestore.priors.hvae.base import HierarchicalVAE
from jaxrestore.settings import count, number, setting
from jaxrestore.training.recipe import Recipe

SAMPLE_TEMPERATURES = (0.6, 0.8, 1.0)


@dataclass(frozen=True)
class Cosine:
    """Settings of `warmed_up_cosine`."""

    learning_rate: float = setting(1e-3, number(0, above=True), "after the warm-up")
    final_learning_rate: float = setting(1e-5, number(0), "at the last step")
    warmup: int = setting(100, count(0), "steps, linear from 0; 0: none")
    decay_start: int = setting(1_000, count(0), "step at which the cosine begins")


@dataclass(frozen=True)
class ClippedCosine(Cosine):
    """The same behind a clipped gradient."""

    clip_norm: float = setting(
        200.0, number(0, above=True, infinite=True), "largest norm of a gradient"
    )


class HierarchicalVAERecipe(Recipe):
    """Base of the recipes; a subclass brings loss, optimiser and evaluation."""

    prior: ClassVar[type[HierarchicalVAE]]
    dtype = "float16"

    @cached_property
    def training_model(self) -> Any:
        return unrolled(self.model)

    def init(self, key):
        return self.prior.init_params(self.model, key)

    def sheets(self, params, batch, key):
        """Reconstructions (input above, output below) and samples of the prior."""
        rebuilt, *samples = self._draw(params, batch["image"][:8], key)
        return {
            "reconstructions": picture([batch["image"][:8], rebuilt]),
            "samples": picture(samples),
        }

    @cached_property
    def _draw(self):
        def draw(params, images, key):
            prior, shape = self.prior(params, self.model), images.shape[1:3]
            keys = jax.random.split(key, len(images))
            rows = [jax.vmap(lambda image: prior.reconstruct(image, 1.0).mean)(images)]
            for tau in SAMPLE_TEMPERATURES:
                rows.append(
                    jax.vmap(lambda k, tau=tau: prior.sample(k, shape, tau))(keys)
                )
            return rows

        return jax.jit(draw)


def unrolled(model: Any) -> Any:
    """Loops are slow to differentiate on a CPU, and slow to compile unrolled."""
    return replace(model, unroll=jax.default_backend() == "cpu")


def warmed_up_cosine(config) -> optax.Schedule:
    """Linear warm-up, a plateau, then a cosine decay to the last step.

    The phase of the cosine starts at ``decay_start`` (the JAX recipe; torch's
    scheduler, recursive in the global step, bends it slightly), or at the end of the
    warm-up where that is later.
    """
    settings, rate = config.optimizer, config.optimizer.learning_rate
    start = max(settings.decay_start, settings.warmup)
    # Without a warm-up, optax's linear schedule stays at its first value.
    first = 0.0 if settings.warmup else rate
    rise = optax.linear_schedule(first, rate, settings.warmup)
    fall = optax.cosine_decay_schedule(
        rate,
        max(config.total_steps - start, 1),
        settings.final_learning_rate / rate,
    )
    return optax.join_schedules([rise, fall], [start])


def mean_psnr(images: jax.Array, rebuilt: jax.Array) -> jax.Array:
    """Mean over a batch (B, H, W, C), dB."""
    error = jnp.mean((rebuilt - images) ** 2, axis=(1, 2, 3))
    return jnp.mean(-10.0 * jnp.log10(error))


def picture(rows) -> np.ndarray:
    """Rows of image batches to one picture (H, W, 3) in [0, 1]."""
    picture = np.concatenate(
        [np.concatenate(list(np.asarray(row)), axis=1) for row in rows], axis=0
    )
    return np.clip(np.repeat(picture, 3 // picture.shape[-1], axis=-1), 0.0, 1.0)
