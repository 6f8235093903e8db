"""Enlarge twice what ordinary software made smaller.

python solve.py --config=configs/solve/sr_x2.py --input=small.png
python solve.py --config=configs/solve/sr_x2.py --input=small.png --factor=1.5

sr_x2_decimated.py assumes what the papers do: a Gaussian blur, then every second pixel.
"""

from jaxrestore.configs.solve.sr_x4 import get_config as sr_x4


def get_config():
    """Antialiased bicubic reduction with aligned centres, noise 1/255."""
    return sr_x4() | {"factor": 2}
