"""Remove the blocks and rings of JPEG compression.

python solve.py --config=configs/solve/jpeg.py --input=blocky.jpg
python solve.py --config=configs/solve/jpeg.py --input=noisy.jpg --noise_std=auto
"""


def get_config():
    """Quality 20 of a photograph without noise: one pass, then the file's own cells."""
    return {
        "task": "identity",
        "simulated_noise_std": "none",
        "simulated_jpeg": 20,
        "noise_std": "0.5/255",
    }
