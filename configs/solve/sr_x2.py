"""Enlarge twice.

python solve.py --config=configs/solve/sr_x2.py --input=small.png
"""

from jaxrestore.configs.solve.sr_x4 import get_config as sr_x4


def get_config():
    """Gaussian blur of 1 pixel, every second pixel kept, noise 3/255."""
    config = sr_x4()
    config.factor = 2
    config.kernel.size = 15
    config.kernel.std = 1.0
    return config
