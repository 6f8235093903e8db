"""Remove noise.

python solve.py --config=configs/solve/denoise.py --input=noisy.png
"""

from jaxrestore.cli.solve_config import default_config


def get_config():
    """White noise, 25/255."""
    config = default_config()
    config.task = "identity"
    config.simulated_noise_std = "25/255"
    return config
