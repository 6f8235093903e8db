"""Fill in missing pixels.

    python solve.py --config=configs/solve/inpaint.py \
        --input=scratched.png --mask=mask.png

The mask is white where the photograph is good. --simulate without --mask drops
pixels at random.
"""

from jaxrestore.cli.solve_config import default_config


def get_config():
    """60 % of the pixels missing, noise 3/255."""
    config = default_config()
    config.task = "mask"
    config.mask.missing = 0.6
    config.simulated_noise_std = "3/255"
    config.solver.max_steps = 200
    config.solver.patience = 10
    config.output_image = "image"  # seen pixels as they were, holes from the prior
    return config
