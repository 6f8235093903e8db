"""Aligned grey faces of 64 x 64 with missing pixels, and how sure the result is.

python solve.py --config=configs/solve/vble_faces64.py --mask=FILE --input=face.png
python solve.py --config=configs/solve/vble_faces64.py --simulate --input=face.png

Writes deviation.png, error90.png and samples.png, too (docs/vble.md). Photographs of
any size: --config=configs/solve/vble_natural.py.
"""


def get_config():
    """60 % missing, noise 8/255."""
    return {
        "task": "mask",
        "boundary": "periodic",
        "prior": "vae-xz-faces64",
        "solver": {"name": "vble_xz"},
        "posterior": {"n_samples": 100},
        # The mean stays in the decoder's range and leaves more than noise unexplained.
        "check": False,
    }
