"""Faces of 256 x 256 with missing pixels, as in the PnP-HVAE article.

python solve.py --simulate --config=configs/solve/face_inpaint.py \
    --prior=ffhq256.safetensors --mask=FILE --input=FOLDER

ffhq256.safetensors: OpenAI's VDVAE, converted (docs/vdvae.md).
"""

from jaxrestore.configs.solve.inpaint import get_config as inpaint


def get_config():
    """A mask file, noise 3/255."""
    return inpaint() | {
        "solver": {
            "name": "pnp_hvae",
            "temperature": "0.3:0.8",
            "decoder_std": "3/255",
        },
        # As in the article: all steps.
        "stopping": {"max_steps": 100, "patience": 100, "tolerance": 0.0},
        "output_image": "mean",
    }
