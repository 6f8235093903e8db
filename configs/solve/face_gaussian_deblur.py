"""Faces of 256 x 256, Gaussian blur, as in the PnP-HVAE article.

python solve.py --simulate --config=configs/solve/face_gaussian_deblur.py \
    --prior=ffhq256.safetensors --input=FOLDER

ffhq256.safetensors: OpenAI's VDVAE, converted (docs/vdvae.md). Which Gaussian the
article used is not known; this is kernel 4 of its twelve, 2 pixels.
"""

from jaxrestore.configs.solve.face_motion_deblur import get_config as motion_deblur


def get_config():
    """Gaussian blur of 2 pixels and noise 8/255."""
    return motion_deblur() | {"kernel": {"kind": "gaussian", "std": 2.0}}
