"""Remove a Gaussian blur with the adversarial local regulariser (thesis, 3.5.2).

python solve.py --config=configs/solve/deblur_alr.py --input=blurred.png
"""


def get_config():
    """7x7 Gaussian of standard deviation 3 pixels, noise 0.03; 50 steps of Adam."""
    return {
        "prior": "alr-natural",
        "kernel": {"size": 7, "std": 3.0},
        "simulated_noise_std": 0.03,
    }
