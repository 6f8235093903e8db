"""Enlarge four times, as papers pose it: blurred, then decimated.

python solve.py --config=configs/solve/sr_x4_decimated.py --input=small.png
"""


def get_config():
    """Gaussian blur of 2 pixels, every fourth pixel kept, noise 3/255."""
    return {
        "task": "downsample",
        "factor": 4,
        "kernel": {"std": 2.0},
        "simulated_noise_std": "3/255",
    }
