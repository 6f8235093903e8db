"""Faces of 256 x 256 with missing pixels, as in the PnP-HVAE article.

python solve.py --simulate --config=configs/solve/face_inpaint.py \
    --prior=ffhq256.safetensors --mask=FILE --input=FOLDER

ffhq256.safetensors: OpenAI's VDVAE, converted (docs/vdvae.md).
"""

from jaxrestore.configs.solve.inpaint import get_config as inpaint


def get_config():
    """A mask file, noise 3/255."""
    config = inpaint()
    config.simulated_noise_std = "3/255"
    config.solver.temperature = "0.3:0.8"
    config.solver.decoder_std = "3/255"
    config.solver.max_steps = 100
    config.solver.patience = 100
    config.solver.tolerance = 0.0  # as in the article: all steps
    config.output_image = "mean"
    return config
