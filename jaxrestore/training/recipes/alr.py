"""Recipe of the adversarial local regulariser: its criterion and evaluation."""

from dataclasses import dataclass

import jax
import optax

from jaxrestore.data.config import SAME
from jaxrestore.errors import InputError
from jaxrestore.priors.critic import Critic, CriticConfig
from jaxrestore.report.charts import histograms
from jaxrestore.settings import choice, flag, number, sequence, setting
from jaxrestore.training.recipe import Recipe
from jaxrestore.training.recipes.adversarial import criterion, transport_criterion


@dataclass(frozen=True)
class ALRLoss:
    """The `loss` section; standard deviations in [0, 1] units."""

    penalty_weight: float = setting(
        5.0, number(0, above=True), "of slopes off one; off the transport equation"
    )
    interpolation: str = setting(
        "batch", choice("batch", "patch"), "one number a batch, or one a patch"
    )
    min_noise_std: float = setting(0.05, number(0), "of degraded patches")
    max_noise_std: float = setting(0.30, number(0), "of degraded patches")
    add_noise: bool = setting(
        False, flag, "to the images of a folder data.degraded, too (clean ones)"
    )
    eval_noise_stds: tuple = setting(
        (0.05, 0.1, 0.15, 0.3), sequence(number(0), least=0), "for val_score_noise_*"
    )


@dataclass(frozen=True)
class ALROptimizer:
    """The `optimizer` section."""

    learning_rate: float = setting(1e-3, number(0, above=True), "at the first step")
    final_learning_rate: float = setting(1e-4, number(0, above=True), "at the last")


class ALRRecipe(Recipe):
    """Adversarial training of a `Critic` on unpaired patches (thesis, Algorithm 1).

    Minimises `adversarial.criterion`, or with ``config.model.growth="quadratic"``
    `adversarial.transport_criterion`. The degraded patches are, unpaired with the
    clean ones, either patches of ``config.data.degraded``, a folder of images whose
    degradation need not be known, or (``config.data.degraded="same"``) other patches
    of the clean images with white noise, one level a patch, uniform in
    [``loss.min_noise_std``, ``loss.max_noise_std``]. ``loss.add_noise`` adds it to a
    folder's images: a second set of clean ones, as in the thesis.

    Raises:
        InputError: settings that do not fit each other.
    """

    prior, Model, Loss, Optimizer = Critic, CriticConfig, ALRLoss, ALROptimizer
    # Thesis, figure 3.4.
    curves = {
        "gap": ("gap", "val_gap"),
        "slope": ("slope", "slope_std", "val_slope"),
    }

    def __init__(self, config):
        super().__init__(config)
        model, loss, data = self.model, config.loss, config.data
        data.require(
            f"a critic with {len(model.widths)} config.model.widths sees",
            patch_size=model.receptive_field,
            channels=model.image_channels,
        )
        if not data.degraded:
            raise InputError(
                "config.data.degraded='': expected 'same' (noise is added to other"
                " patches of the clean images) or a folder of degraded images"
            )
        self._adds_noise = data.degraded == SAME or loss.add_noise
        low, high = loss.min_noise_std, loss.max_noise_std
        if self._adds_noise and (low > high or high == 0):
            raise InputError(
                f"config.loss.min_noise_std={low}, max_noise_std={high}: expected"
                " 0 <= min <= max and max > 0, in [0, 1] units"
            )
        self._draw = jax.jit(self._scores)

    def init(self, key):
        return Critic.create(self.model, key).params

    def optimizer(self, config):
        """`falling_adam`."""
        return falling_adam(config)

    def loss(self, params, batch, key, step, frozen=None):
        noise_key, alpha_key = jax.random.split(key)
        clean, settings = batch["image"], self.config.loss
        shape = clean.shape[:1] if settings.interpolation == "patch" else ()
        quadratic = self.model.growth == "quadratic"
        terms = (transport_criterion if quadratic else criterion)(
            Critic(params, self.model).score_patches,
            clean,
            self._degraded(batch, noise_key),
            jax.random.uniform(alpha_key, shape),
            settings.penalty_weight,
        )
        metrics = {
            "gap": terms.gap,
            "penalty": terms.penalty,
            "slope": terms.slopes.mean(),
            "slope_std": terms.slopes.std(),
        }
        return terms.loss, metrics

    def evaluate(self, params, batch, key, frozen=None):
        """The criterion's terms, and the mean score of clean and degraded patches."""
        loss, metrics = self.loss(params, batch, key, jax.numpy.zeros(()))
        del metrics["slope_std"]
        for name, scores in self._scores(params, batch, key).items():
            metrics[f"score_{name}"] = scores.mean()
        return metrics | {"loss": loss}

    def sheets(self, params, batch, key):
        """Histograms of scores, of clean and degraded patches (thesis, figure 3.5)."""
        scores = jax.device_get(self._draw(params, batch, key))
        return {"scores": histograms(scores, "score", "scores of validation patches")}

    def _degraded(self, batch, key) -> jax.Array:
        patches, settings = batch["degraded"], self.config.loss
        if not self._adds_noise:
            return patches
        level_key, noise_key = jax.random.split(key)
        low, high = settings.min_noise_std, settings.max_noise_std
        level = jax.random.uniform(level_key, (len(patches), 1, 1, 1), float, low, high)
        return patches + level * jax.random.normal(noise_key, patches.shape)

    def _scores(self, params, batch, key) -> dict[str, jax.Array]:
        """Scores (N,) of clean patches, and of degraded ones or per noise level."""
        score, clean = Critic(params, self.model).score_patches, batch["image"]
        scores = {"clean": score(clean)}
        if not self._adds_noise:
            return scores | {"degraded": score(batch["degraded"])}
        noise = jax.random.normal(key, clean.shape)
        for level in self.config.loss.eval_noise_stds:
            scores[f"noise_{level:g}"] = score(clean + level * noise)
        return scores


def falling_adam(config) -> optax.GradientTransformation:
    """Adam (0.9, 0.999); lr_k = lr (final_lr / lr)^(k / (K - 1)) over K steps."""
    settings = config.optimizer
    schedule = optax.exponential_decay(
        settings.learning_rate,
        max(config.total_steps - 1, 1),
        settings.final_learning_rate / settings.learning_rate,
    )
    return optax.adam(schedule, b1=0.9, b2=0.999)
