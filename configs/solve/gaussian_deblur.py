"""Remove defocus.

    python solve.py --config=configs/solve/gaussian_deblur.py \
        --input=blurred.png --config.kernel.std=2.0
"""


def get_config():
    """Gaussian blur of standard deviation 1.6 pixels, noise 2.55/255."""
    return {"kernel": {"std": 1.6}, "simulated_noise_std": "2.55/255"}
