"""What the configs of the published VDVAEs share; see vdvae_cifar10.py and others."""

from typing import Any

from jaxrestore.priors.hvae.vdvae_config import PUBLISHED


def published_config(
    name: str, *, learning_rate: float, clip_norm: float, **settings: float
) -> dict[str, Any]:
    """A published network (``name`` in `PUBLISHED`) with its published training."""
    model = PUBLISHED[name].to_dict()
    return {
        "recipe": "vdvae",
        # PnP-HVAE's factor 256 came after the training.
        "model": model | {"input_factor": 255.0},
        "optimizer": {
            "learning_rate": learning_rate,
            "final_learning_rate": learning_rate,
            "warmup": 100,
            "decay_start": 100,
            "clip_norm": clip_norm,
            "weight_decay": 0.01,
        },
        "data": {
            "patch_size": model["image_size"],
            "scales": (1,),
            "flip": False,
            "dequantise": False,
        },
        "eval_every": 10_000,
        "checkpoint_every": 5_000,
        **settings,
    }
