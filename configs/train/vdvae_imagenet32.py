"""The published VDVAE of ImageNet 32x32, 119 M parameters.

    jaxrestore train --config=vdvae_imagenet32 \
        --config.data.train=DIR --config.data.val=DIR --workdir=runs/imagenet32

The authors report 3.80 bits per dimension. We have not trained it to
the end: no score is claimed here.
"""

from jaxrestore.configs.train._vdvae import published_config


def get_config():
    return published_config(
        "imagenet32",
        learning_rate=0.00015,
        batch_size=256,
        ema_decay=0.999,
        clip_norm=200.0,
        skip_gradient_norm=300.0,
        total_steps=1_700_000,
    )
