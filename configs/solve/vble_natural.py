"""A blurred photograph by a compressive autoencoder, and how sure the result is.

    python solve.py --config=configs/solve/vble_natural.py \
        --input=blurred.png --kernel=kernel.npy

Writes deviation.png, error90.png and samples.png, too (docs/vble.md). Other weights,
CompressAI's for instance: --prior=FILE; another task: --task=mask, resize, downsample.
"""


def get_config():
    """Noise 8/255, the rate chosen by the evidence; the kernel serves --simulate."""
    return {
        "kernel": {"kind": "motion"},
        "prior": "cae-natural",
        "solver": {"name": "vble_xz", "rate": "auto"},
        "posterior": {"n_samples": 100},
        # The mean stays in the decoder's range and leaves more than noise unexplained.
        "check": False,
    }
