"""Faces of 64 x 64 with a hole: the latents of a flow whose image explains the rest.

    python solve.py --simulate --config=glow_synthesis --input=FACES

The bundled prior knows aligned grey faces of 64 x 64 (docs/glow.md).
"""

from jaxrestore.configs.solve.inpaint import get_config as inpaint


def get_config():
    """Noise 3/255; -log p(z | y) by Adam from z = 0."""
    return inpaint() | {
        "prior": "glow-faces64",
        "solver": {"name": "synthesis", "latents": "whitened", "weight": 0.5},
        "stopping": {"max_steps": 400},
    }
