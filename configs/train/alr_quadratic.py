"""`alr_natural.py` with a critic of quadratic growth (2-Wasserstein; thesis, 3.6).

    jaxrestore train --config=alr_quadratic --workdir=runs/quadratic \
        --config.data.train=DIR --config.data.val=DIR
"""

from jaxrestore.configs.train import alr_natural


def get_config():
    config = alr_natural.get_config()
    config["model"] |= {"growth": "quadratic"}
    config["loss"] |= {"penalty_weight": 0.1, "interpolation": "patch"}
    return config
