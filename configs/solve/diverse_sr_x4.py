"""Many plausible faces of 64 x 64 for one of 16 x 16 (CVDVAE).

python solve.py --config=configs/solve/diverse_sr_x4.py --input=small.png
python solve.py --config=configs/solve/diverse_sr_x4.py --simulate --input=face.png

face.png: grey, 64 x 64, aligned as in docs/cvdvae.md.
"""

from jaxrestore.cli.solve_config import default_config


def get_config():
    """Antialiased bicubic reduction by 4, no noise; eight samples."""
    config = default_config()
    config.task = "downsample"
    config.factor = 4
    config.kernel.kind = "bicubic"
    config.boundary = "periodic"
    config.simulated_noise_std = "none"
    config.noise_std = "0.5/255"  # plays no part: samples are made consistent exactly
    config.prior = "vdvae-faces64"
    config.encoder = "cvdvae-faces64-x4"
    config.solver.temperature = "0.8"
    return config
