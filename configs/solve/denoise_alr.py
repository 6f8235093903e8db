"""Remove noise with the adversarial local regulariser.

python solve.py --config=configs/solve/denoise_alr.py --input=noisy.png
"""


def get_config():
    """White noise of 0.1; 50 steps of Adam."""
    return {"prior": "alr-natural", "task": "identity", "simulated_noise_std": 0.1}
