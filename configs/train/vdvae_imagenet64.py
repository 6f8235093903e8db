"""The published VDVAE of ImageNet 64x64, 125 M parameters.

    jaxrestore train --config=vdvae_imagenet64 \
        --config.data.train=DIR --config.data.val=DIR --workdir=runs/imagenet64

The authors report 3.52 bits per dimension. We have not trained it to
the end: no score is claimed here.
"""

from jaxrestore.configs.train._vdvae import published_config


def get_config():
    return published_config(
        "imagenet64",
        learning_rate=0.00015,
        batch_size=128,
        ema_decay=0.999,
        clip_norm=220.0,
        skip_gradient_norm=380.0,
        total_steps=1_600_000,
    )
