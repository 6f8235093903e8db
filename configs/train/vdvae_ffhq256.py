"""The published VDVAE of FFHQ 256x256 at 5 bits, 115 M parameters.

    jaxrestore train --config=vdvae_ffhq256 \
        --config.data.train=DIR --config.data.val=DIR --workdir=runs/ffhq256

The authors report 0.61 bits per dimension. We have not trained it to
the end: no score is claimed here.
"""

from jaxrestore.configs.train._vdvae import published_config


def get_config():
    return published_config(
        "ffhq256",
        learning_rate=0.00015,
        batch_size=32,
        ema_decay=0.999,
        clip_norm=130.0,
        skip_gradient_norm=180.0,
        total_steps=1_700_000,
    )
