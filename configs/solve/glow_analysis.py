"""Faces of 64 x 64 with missing pixels: the image that a flow finds likely.

    python solve.py --simulate --config=glow_analysis \
        --prior=glow-faces64.safetensors --input=FACES

glow-faces64.safetensors: a Glow, as --config=glow_faces64 trains one (docs/glow.md).
"""

from jaxrestore.configs.solve.inpaint import get_config as inpaint


def get_config():
    """60 % of the pixels missing, noise 3/255; -log p(x | y) by Adam."""
    return inpaint() | {
        "solver": {"name": "analysis", "penalty": "density", "weight": 1.0},
        "stopping": {"max_steps": 400},
    }
