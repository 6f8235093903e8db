"""Remove noise.

python solve.py --config=configs/solve/denoise.py --input=noisy.png
"""


def get_config():
    """White noise, 25/255."""
    return {"task": "identity", "simulated_noise_std": "25/255"}
