"""Remove camera shake.

    python solve.py --config=configs/solve/motion_deblur.py \
        --input=blurred.png --kernel=kernel.npy

A real photograph needs its own kernel; the one below serves --simulate.
"""


def get_config():
    """Motion blur drawn at random on 25x25 pixels, noise 8/255."""
    return {"kernel": {"kind": "motion"}, "simulated_noise_std": "8/255"}
