"""The published VDVAE of FFHQ 1024x1024, 109 M parameters.

    jaxrestore train --config=vdvae_ffhq1024 \
        --config.data.train=DIR --config.data.val=DIR --workdir=runs/ffhq1024

The authors report 2.42 bits per dimension. We have not trained it to
the end: no score is claimed here.
"""

from jaxrestore.configs.train._vdvae import published_config


def get_config():
    return published_config(
        "ffhq1024",
        learning_rate=7e-05,
        batch_size=32,
        ema_decay=0.999,
        clip_norm=360.0,
        skip_gradient_norm=500.0,
        total_steps=1_700_000,
    )
