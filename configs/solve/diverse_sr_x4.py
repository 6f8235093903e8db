"""Many plausible faces of 64 x 64 for one of 16 x 16 (CVDVAE).

python solve.py --config=configs/solve/diverse_sr_x4.py --input=small.png
python solve.py --config=configs/solve/diverse_sr_x4.py --simulate --input=face.png

face.png: grey, 64 x 64, aligned as in docs/cvdvae.md.
"""


def get_config():
    """Antialiased bicubic reduction by 4, no noise; eight samples."""
    return {
        "task": "downsample",
        "factor": 4,
        "kernel": {"kind": "bicubic"},
        "boundary": "periodic",
        "simulated_noise_std": "none",
        "noise_std": "0.5/255",  # plays no part: samples are made consistent exactly
        "prior": "vdvae-faces64",
        "encoder": "cvdvae-faces64-x4",
    }
