"""Many plausible faces of 64 x 64 for one of 32 x 32 (CVDVAE).

python solve.py --config=configs/solve/diverse_sr_x2.py --input=small.png
python solve.py --config=configs/solve/diverse_sr_x2.py --simulate --input=face.png

face.png: grey, 64 x 64, aligned as in docs/cvdvae.md.
"""

from jaxrestore.configs.solve.diverse_sr_x4 import get_config as x4


def get_config():
    """Antialiased bicubic reduction by 2, no noise; eight samples."""
    return x4() | {"factor": 2, "encoder": "cvdvae-faces64-x2"}
