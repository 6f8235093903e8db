"""Enlarge four times.

python solve.py --config=configs/solve/sr_x4.py --input=small.png
"""

from jaxrestore.cli.solve_config import default_config


def get_config():
    """Gaussian blur of 2 pixels, every fourth pixel kept, noise 3/255."""
    config = default_config()
    config.task = "downsample"
    config.factor = 4
    config.kernel.std = 2.0
    config.simulated_noise_std = "3/255"
    config.output_image = "image"  # the last data step: 0.1 dB above the decoder mean
    return config
