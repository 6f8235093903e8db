"""What the recipes of hierarchical VAEs share: evaluation, schedule and pictures."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import jax
import numpy as np
import optax
from optax.contrib import MuonDimensionNumbers, muon

from jaxrestore.metrics import psnr
from jaxrestore.priors.hvae.base import Elbo, HierarchicalVAE
from jaxrestore.settings import count, number, setting
from jaxrestore.training.recipe import Recipe

SAMPLE_TEMPERATURES = (0.6, 0.8, 1.0)


@dataclass(frozen=True)
class Cosine:
    """Settings of `warmed_up_cosine`."""

    learning_rate: float = setting(1e-3, number(0, above=True), "after the warm-up")
    final_learning_rate: float = setting(1e-5, number(0), "at the cosine's end")
    warmup: int = setting(100, count(0), "steps, linear from 0; 0: none")
    decay_start: int = setting(1_000, count(0), "step at which the cosine begins")
    decay_steps: int = setting(0, count(0), "of the cosine; 0: until the last step")


@dataclass(frozen=True)
class ClippedCosine(Cosine):
    """The same behind a clipped gradient."""

    clip_norm: float = setting(
        200.0, number(0, above=True, infinite=True), "largest norm of a gradient"
    )


class HierarchicalVAERecipe(Recipe):
    """Base of the recipes; a subclass brings the terms of its bound.

    Minimises -log p(x | z) + sum_l KL_l per dimension, in nats, unless a subclass
    has another loss.
    """

    prior: ClassVar[type[HierarchicalVAE]]
    Optimizer, dtype = ClippedCosine, "float16"

    def optimizer(self, config) -> optax.GradientTransformation:
        """Adam after clipping of the norm, with `warmed_up_cosine`."""
        return optax.chain(
            optax.clip_by_global_norm(config.optimizer.clip_norm),
            optax.adam(warmed_up_cosine(config)),
        )

    def init(self, key):
        return self.prior.init_params(self.model, key)

    def loss(self, params, batch, key, step, frozen=None):
        images = batch["image"]
        terms = self._elbo(params, images, key, unrolled(self.model))
        return terms.nats_per_dim.mean(), self._named(terms, images[0].size)

    def evaluate(self, params, batch, key, frozen=None):
        """The bound's terms, and PSNR of reconstructions (tau = 1).

        Of images with white noise of each level in ``config.loss.eval_noise_levels``,
        or of clean ones where `Loss` has none.
        """
        images, prior = batch["image"], self.prior(params, self.model)
        terms = self._elbo(params, images, key, self.model)
        scores = self._named(terms, images[0].size)
        levels = getattr(self.config.loss, "eval_noise_levels", None)
        for level in (0.0,) if levels is None else levels:
            std = level / 255
            noisy = images + std * jax.random.normal(key, images.shape)
            rebuilt = jax.vmap(lambda x, std=std: prior.reconstruct(x, 1.0, std).mean)
            name = "psnr" if levels is None else f"psnr_noise_{level:g}"
            scores[name] = jax.vmap(psnr)(rebuilt(noisy), images).mean()
        return scores

    @abstractmethod
    def _elbo(self, params, images, key, model: Any) -> Elbo:
        """The terms of the bound of each image, (B, ...)."""

    def _named(self, terms: Elbo, pixels: int) -> dict[str, jax.Array]:
        """Means over the batch, for the records; `pixels`: H W C."""
        return {
            "bits_per_dim": terms.bits_per_dim.mean(),
            "kl": terms.kl.sum(1).mean() / pixels,
        }

    def sheets(self, params, batch, key):
        """Reconstructions (input above, output below) and samples of the prior."""
        rebuilt, *samples = self._draw(params, batch["image"][:8], key)
        return {
            "reconstructions": picture([batch["image"][:8], rebuilt]),
            "samples": picture(samples),
        }

    @partial(jax.jit, static_argnums=0)
    def _draw(self, params, images, key):
        prior, shape = self.prior(params, self.model), images.shape[1:3]
        keys = jax.random.split(key, len(images))
        rows = [jax.vmap(lambda image: prior.reconstruct(image, 1.0).mean)(images)]
        for tau in SAMPLE_TEMPERATURES:
            rows.append(jax.vmap(lambda k, tau=tau: prior.sample(k, shape, tau))(keys))
        return rows


def unrolled(model: Any) -> Any:
    """Loops are slow to differentiate on a CPU, and slow to compile unrolled."""
    on_cpu = jax.default_backend() == "cpu"
    return replace(model, unroll=on_cpu) if "unroll" in vars(model) else model


def warmed_up_cosine(config) -> optax.Schedule:
    """Linear warm-up, a plateau, then a cosine decay, by default to the last step.

    The phase of the cosine starts at ``decay_start`` (the JAX recipe; torch's
    scheduler, recursive in the global step, bends it slightly), or at the end of the
    warm-up where that is later.
    """
    settings, rate = config.optimizer, config.optimizer.learning_rate
    start = max(settings.decay_start, settings.warmup)
    # Without a warm-up, optax's linear schedule stays at its first value.
    first = 0.0 if settings.warmup else rate
    rise = optax.linear_schedule(first, rate, settings.warmup)
    steps = settings.decay_steps or max(config.total_steps - start, 1)
    fall = optax.cosine_decay_schedule(rate, steps, settings.final_learning_rate / rate)
    return optax.join_schedules([rise, fall], [start])


def cells_muon(
    schedule: optax.Schedule, weight_decay: float = 0.0
) -> optax.GradientTransformation:
    """Muon of the kernels of cells, which stages keep in one array; NAdam of the rest.

    A step goes along the orthogonal matrix nearest to a kernel's momentum (inputs and
    positions by outputs), as large on average as one of Adam (Liu et al. 2025).

    Args:
        schedule: of the learning rate, for both.
        weight_decay: times the learning rate, of both.
    """
    return muon(
        schedule,
        weight_decay=weight_decay,
        adam_b2=0.99,
        adam_weight_decay=weight_decay,
        muon_weight_dimension_numbers=_matrices,
        consistent_rms=0.2,
    )


def _matrices(params: Any) -> Any:
    """Which axes of a parameter are a matrix, one for each cell; None: not a kernel."""

    def axes(path, leaf):
        if path[-1].key != "kernel" or leaf.ndim not in (3, 5):
            return None
        *inputs, output = range(1, leaf.ndim)
        return MuonDimensionNumbers(tuple(inputs), (output,))

    return jax.tree.map_with_path(axes, params)


def picture(rows) -> np.ndarray:
    """Rows of image batches to one picture (H, W, 3) in [0, 1]."""
    picture = np.concatenate([np.concatenate(np.asarray(row), axis=1) for row in rows])
    return np.clip(np.repeat(picture, 3 // picture.shape[-1], axis=-1), 0.0, 1.0)
