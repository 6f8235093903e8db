"""Draws of what aligned grey faces of 64 x 64 with missing pixels may look like.

python solve.py --config=configs/solve/posterior_faces64.py --mask=FILE --input=face.png
python solve.py --config=configs/solve/posterior_faces64.py --simulate --input=face.png

Writes their mean, deviation.png, error90.png, samples.png and chain.gif, and R-hat and
effective numbers of draws to summary.json (docs/posterior.md). Blurred faces:
--task=blur, small ones --task=downsample.
"""


def get_config():
    """60 % missing, noise 3/255; temperature and gamma were chosen on other faces."""
    return {
        "task": "mask",
        "boundary": "periodic",
        "prior": "vdvae-faces64",
        "solver": {"name": "gibbs", "temperature": 0.8, "decoder_std": "4/255"},
        "sampling": {"n_samples": 160, "chains": 8, "burn_in": 15},
        "simulated_noise_std": "3/255",
    }
