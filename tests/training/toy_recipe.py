"""A recipe small enough to train within a test: a noisy linear autoencoder."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxrestore.settings import number, setting
from jaxrestore.training.recipe import Recipe


@dataclass(frozen=True)
class ToyModel:
    width: int = 2


@dataclass(frozen=True)
class ToyOptimizer:
    learning_rate: float = setting(0.02, number(0), "of Adamax")


class ToyRecipe(Recipe):
    """Each pixel is coded by two numbers with noise; loss is the mean square error."""

    Model, Optimizer = ToyModel, ToyOptimizer

    def init(self, key):
        enc, dec = jax.random.split(key)
        return {
            "encoder": {"kernel": 0.3 * jax.random.normal(enc, (3, self.model.width))},
            "decoder": {
                "kernel": 0.3 * jax.random.normal(dec, (self.model.width, 3)),
                "bias": jnp.zeros((3,)),
            },
        }

    def _decode(self, params, image, key):
        code = image @ params["encoder"]["kernel"]
        code += 0.1 * jax.random.normal(key, code.shape)
        return code @ params["decoder"]["kernel"] + params["decoder"]["bias"]

    def loss(self, params, batch, key, step, frozen=None):
        output = self._decode(params, batch["image"], key)
        loss = jnp.mean((output - batch["image"]) ** 2)
        return loss, {"warmup": jnp.minimum(step / 10, 1.0)}

    def optimizer(self, config):
        return optax.adamax(config.optimizer.learning_rate)

    def evaluate(self, params, batch, key, frozen=None):
        return {"loss": self.loss(params, batch, key, 0)[0]}

    def sheets(self, params, batch, key):
        output = self._decode(params, batch["image"], key)
        return {"reconstructions": np.concatenate(list(np.asarray(output)), axis=1)}

    def export(self, params, path, metadata):
        from safetensors.numpy import save_file

        flat = {
            f"{a}.{b}": np.asarray(v) for a, p in params.items() for b, v in p.items()
        }
        save_file(flat, path, metadata)
