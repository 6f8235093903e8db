"""What the recipes of hierarchical VAEs share: schedule, pictures, export."""

from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

import jax
import numpy as np
import optax

from jaxrestore.priors.hvae.base import HierarchicalVAE
from jaxrestore.priors.registry import ARCHITECTURES
from jaxrestore.priors.weights import save_prior

SAMPLE_TEMPERATURES = (0.6, 0.8, 1.0)


class HierarchicalVAERecipe:
    """Base of the recipes; a subclass brings loss, optimiser and evaluation.

    Args:
        config: the frozen training configuration; uses ``model``, ``loss``,
            ``optimizer``, ``total_steps``.

    Attributes:
        prior: the kind of prior that is trained.
        model: its configuration, from ``config.model``.
    """

    prior: ClassVar[type[HierarchicalVAE]]

    def __init__(self, config):
        self.config = config
        kinds: dict[Any, Any] = dict(ARCHITECTURES.values())
        self.model = kinds[self.prior].from_dict(config.model)

    @cached_property
    def training_model(self) -> Any:
        return unrolled(self.model)

    def init(self, key):
        return self.prior.init_params(self.model, key)

    def schedule(self, config) -> optax.Schedule:
        """See `warmed_up_cosine`."""
        return warmed_up_cosine(config)

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

    def export(self, params, path, metadata):
        metadata = dict(metadata)
        metadata["training_config"] = metadata.pop("config", "")  # beside the model's
        save_prior(self.prior(params, self.model), path, metadata, dtype="float16")


def unrolled(model: Any) -> Any:
    """Loops are slow to differentiate on a CPU, and slow to compile unrolled."""
    return replace(model, unroll=jax.default_backend() == "cpu")


def warmed_up_cosine(config) -> optax.Schedule:
    """Linear warm-up, a plateau, then a cosine decay to the last step.

    The phase of the cosine starts at ``decay_start`` (the JAX recipe; torch's
    scheduler, recursive in the global step, bends it slightly).
    """
    settings = config.optimizer
    decay_steps = max(config.total_steps - settings.decay_start, 1)
    return optax.join_schedules(
        [
            optax.linear_schedule(0.0, settings.learning_rate, settings.warmup),
            optax.cosine_decay_schedule(
                settings.learning_rate,
                decay_steps,
                settings.final_learning_rate / settings.learning_rate,
            ),
        ],
        [settings.decay_start],
    )


def picture(rows) -> np.ndarray:
    """Rows of image batches to one picture (H, W, 3) in [0, 1]."""
    picture = np.concatenate(
        [np.concatenate(list(np.asarray(row)), axis=1) for row in rows], axis=0
    )
    return np.clip(np.repeat(picture, 3 // picture.shape[-1], axis=-1), 0.0, 1.0)
