"""Remove a Gaussian blur with the adversarial local regulariser (thesis, 3.5.2).

python solve.py --config=configs/solve/deblur_alr.py --input=blurred.png
"""

from jaxrestore.cli.solve_config import default_config


def get_config():
    """7x7 Gaussian of standard deviation 3 pixels, noise 0.03; 50 steps of Adam."""
    config = default_config()
    config.prior = "alr-natural"
    config.kernel.size = 7
    config.kernel.std = 3.0
    config.simulated_noise_std = "0.03"
    config.solver.max_steps = 50
    config.solver.tolerance = 0
    return config
