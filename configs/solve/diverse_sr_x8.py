"""Many plausible faces of 64 x 64 for one of 8 x 8 (CVDVAE).

python solve.py --config=configs/solve/diverse_sr_x8.py --input=small.png
python solve.py --config=configs/solve/diverse_sr_x8.py --simulate --input=face.png

face.png: grey, 64 x 64, aligned as in docs/cvdvae.md.
"""

from jaxrestore.configs.solve.diverse_sr_x4 import get_config as x4


def get_config():
    """Antialiased bicubic reduction by 8, no noise; eight samples."""
    return x4() | {"factor": 8, "encoder": "cvdvae-faces64-x8"}
