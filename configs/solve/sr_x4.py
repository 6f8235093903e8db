"""Enlarge four times what ordinary software made smaller.

python solve.py --config=configs/solve/sr_x4.py --input=small.png
python solve.py --config=configs/solve/sr_x4.py --input=small.png --factor=2.5

The prior of faces, --prior=vdvae-faces64, wants --stopping.max_steps=50 beside it.
sr_x4_decimated.py assumes what the papers do: a Gaussian blur, then every fourth pixel.
"""


def get_config():
    """Antialiased bicubic reduction with aligned centres, noise 1/255."""
    return {
        "task": "resize",
        "factor": 4,
        "simulated_noise_std": "1/255",
        "stopping": {"max_steps": 12},  # what has not converged by then drifts away
        "output_image": "image",  # true to the small image; sharper than the mean
    }
