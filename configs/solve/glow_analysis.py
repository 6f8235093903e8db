"""Faces of 64 x 64 with missing pixels: the image that a flow finds likely.

    python solve.py --simulate --config=glow_analysis --input=FACES

The bundled prior knows aligned grey faces of 64 x 64 (docs/glow.md).
"""

from jaxrestore.configs.solve.inpaint import get_config as inpaint


def get_config():
    """60 % of the pixels missing, noise 3/255; -log p(y | x) - 0.2 log p(x) by Adam.

    Weight 1 is the posterior's mode, 0.2 the best of 0.1, 0.2, 0.4 and 0.7 on faces
    that the prior was not trained on: what is likeliest is too smooth.
    """
    return inpaint() | {
        "prior": "glow-faces64",
        "solver": {"name": "analysis", "penalty": "density", "weight": 0.2},
        "stopping": {"max_steps": 400},
    }
