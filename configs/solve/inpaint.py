"""Fill in missing pixels.

    python solve.py --config=configs/solve/inpaint.py \
        --input=scratched.png --mask=mask.png

The mask is white where the photograph is good. --simulate without --mask drops
pixels at random.
"""


def get_config():
    """60 % of the pixels missing, noise 3/255."""
    return {
        "task": "mask",
        "mask": {"missing": 0.6},
        "simulated_noise_std": "3/255",
        "stopping": {"max_steps": 200, "patience": 10},
        "output_image": "image",  # seen pixels as they were, holes from the prior
    }
