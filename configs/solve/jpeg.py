"""Remove the blocks and rings of JPEG compression.

python solve.py --config=configs/solve/jpeg.py --input=blocky.jpg
"""


def get_config():
    """The file's own coefficients, rounded to the steps of its tables."""
    return {"task": "identity", "simulated_noise_std": "5/255"}
