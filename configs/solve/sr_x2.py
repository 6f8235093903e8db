"""Enlarge twice what ordinary software made smaller.

python solve.py --config=configs/solve/sr_x2.py --input=small.png
python solve.py --config=configs/solve/sr_x2.py --input=small.png --factor=1.5

sr_x2_decimated.py assumes what the papers do: a Gaussian blur, then every second pixel.
"""


def get_config():
    """Antialiased bicubic reduction with aligned centres, noise 1/255."""
    return {
        "task": "resize",
        "factor": 2,
        "simulated_noise_std": "1/255",
        "stopping": {"max_steps": 12},  # what has not converged by then drifts away
        "output_image": "image",  # true to the small image; sharper than the mean
    }
