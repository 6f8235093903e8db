"""Faces of 64 x 64 with missing pixels: the image that a flow finds likely.

    python solve.py --simulate --config=glow_analysis --input=FACES

The bundled prior knows aligned grey faces of 64 x 64 (docs/glow.md).
"""

from jaxrestore.configs.solve.inpaint import get_config as inpaint


def get_config():
    """60 % of the pixels missing, noise 3/255; -log p(x | y) by Adam."""
    return inpaint() | {
        "prior": "glow-faces64",
        "solver": {"name": "analysis", "penalty": "density", "weight": 1.0},
        "stopping": {"max_steps": 400},
    }
