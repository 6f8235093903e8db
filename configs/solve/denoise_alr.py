"""Remove noise with the adversarial local regulariser.

python solve.py --config=configs/solve/denoise_alr.py --input=noisy.png
"""

from jaxrestore.cli.solve_config import default_config


def get_config():
    """White noise of 0.1; 50 steps of Adam."""
    config = default_config()
    config.prior = "alr-natural"
    config.task = "identity"
    config.simulated_noise_std = "0.1"
    config.solver.max_steps = 50
    config.solver.tolerance = 0
    return config
