"""Faces of 256 x 256 enlarged four times, as in the PnP-HVAE article.

python solve.py --simulate --config=configs/solve/face_sr_x4.py \
    --prior=ffhq256.safetensors --input=FOLDER

ffhq256.safetensors: OpenAI's VDVAE, converted (docs/vdvae.md).
"""

from jaxrestore.configs.solve.sr_x4_decimated import get_config as sr_x4


def get_config():
    """Gaussian blur of 2 pixels, every fourth pixel kept, noise 3/255."""
    return sr_x4() | {
        "solver": {
            "name": "pnp_hvae",
            "temperature": "0.8:0.5",
            "decoder_std": "5/255",
        },
        "stopping": {"patience": 10, "tolerance": 0.0},  # the plateau rule alone stops
        "output_image": "mean",
    }
