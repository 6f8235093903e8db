"""Remove defocus.

    python solve.py --config=configs/solve/gaussian_deblur.py \
        --input=blurred.png --config.kernel.std=2.0
"""

from jaxrestore.cli.solve_config import default_config


def get_config():
    """Gaussian blur of standard deviation 1.6 pixels, noise 2.55/255."""
    config = default_config()
    config.kernel.std = 1.6
    config.simulated_noise_std = "2.55/255"
    return config
