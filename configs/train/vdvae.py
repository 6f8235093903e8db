"""What the configs of the published VDVAEs share; see vdvae_cifar10.py and others."""

from jaxrestore.priors.hvae.vdvae_config import PUBLISHED
from jaxrestore.training.config import base_config


def published_config(
    name: str,
    *,
    learning_rate: float,
    batch_size: int,
    ema_decay: float,
    clip_norm: float,
    skip_gradient_norm: float,
    total_steps: int,
):
    """A published network with its published training (``name`` in `PUBLISHED`)."""
    config = base_config()
    config.recipe = "vdvae"
    config.model.update(PUBLISHED[name].to_dict())
    config.model.input_factor = 255.0  # PnP-HVAE's 256 came after the training
    config.batch_size = batch_size
    config.optimizer.learning_rate = learning_rate
    config.optimizer.final_learning_rate = learning_rate
    config.optimizer.warmup = 100
    config.optimizer.decay_start = 100
    config.optimizer.clip_norm = clip_norm
    config.optimizer.weight_decay = 0.01
    config.data.patch_size = config.model.image_size
    config.data.scales = (1,)
    config.data.flip = False
    config.data.dequantise = False
    config.ema_decay = ema_decay
    config.skip_gradient_norm = skip_gradient_norm
    config.total_steps = total_steps
    config.eval_every = 10_000
    config.checkpoint_every = 5_000
    return config
