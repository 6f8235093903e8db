"""Enlarge twice.

python solve.py --config=configs/solve/sr_x2.py --input=small.png
"""

from jaxrestore.cli.solve_config import default_config


def get_config():
    """Gaussian blur of 1 pixel, every second pixel kept, noise 3/255."""
    config = default_config()
    config.task = "downsample"
    config.factor = 2
    config.kernel.size = 15
    config.kernel.std = 1.0
    config.simulated_noise_std = "3/255"
    return config
