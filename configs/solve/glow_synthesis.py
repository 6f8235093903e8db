"""Faces of 64 x 64 with a hole: the latents of a flow whose image explains the rest.

    python solve.py --simulate --config=glow_synthesis --mask=FILE \
        --prior=glow-faces64.safetensors --input=FACES

glow-faces64.safetensors: a Glow, as --config=glow_faces64 trains one (docs/glow.md).
Without --mask, --simulate drops 60 % of the pixels.
"""

from jaxrestore.configs.solve.inpaint import get_config as inpaint


def get_config():
    """Noise 3/255; -log p(z | y) by Adam from z = 0."""
    return inpaint() | {
        "solver": {"name": "synthesis", "latents": "whitened", "weight": 0.5},
        "stopping": {"max_steps": 400},
    }
