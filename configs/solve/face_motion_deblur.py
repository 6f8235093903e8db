"""Faces of 256 x 256, motion blur, as in the PnP-HVAE article.

python solve.py --simulate --config=configs/solve/face_motion_deblur.py \
    --prior=ffhq256.safetensors --kernel=FILE --input=FOLDER

ffhq256.safetensors: OpenAI's VDVAE, converted (docs/vdvae.md). The article's kernel is
number 9 of its twelve; without --kernel a random motion is drawn.
"""

from jaxrestore.configs.solve.motion_deblur import get_config as motion_deblur


def get_config():
    """Motion blur and noise 8/255."""
    return motion_deblur() | {
        "solver": {
            "name": "pnp_hvae",
            "temperature": "0.99:0.8",
            "decoder_std": "5/255",
        },
        "stopping": {"patience": 10, "tolerance": 0.0},  # the plateau rule alone stops
    }
