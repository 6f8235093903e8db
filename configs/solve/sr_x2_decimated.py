"""Enlarge twice, as papers pose it: blurred, then decimated.

python solve.py --config=configs/solve/sr_x2_decimated.py --input=small.png
"""

from jaxrestore.configs.solve.sr_x4_decimated import get_config as sr_x4


def get_config():
    """Gaussian blur of 1 pixel, every second pixel kept, noise 3/255."""
    return sr_x4() | {"factor": 2, "kernel": {"size": 15, "std": 1.0}}
