"""The published VDVAE of CIFAR-10, 39 M parameters.

    jaxrestore train --config=vdvae_cifar10 --workdir=runs/cifar10 \
        --config.data.kind=tfds --config.data.train=cifar10:train \
        --config.data.val=cifar10:test

The authors report 2.87 bits per dimension (mean of 4 seeds). We have not trained it to
the end: no score is claimed here.
"""

from jaxrestore.configs.train._vdvae import published_config


def get_config():
    return published_config(
        "cifar10",
        learning_rate=0.0002,
        batch_size=32,
        ema_decay=0.9999,
        clip_norm=200.0,
        skip_gradient_norm=400.0,
        total_steps=1_000_000,
    )
