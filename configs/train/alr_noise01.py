"""`alr_natural.py` on one noise level, 0.1 (thesis, table 3.1).

    jaxrestore train --config=alr_noise01 --workdir=runs/alr01 \
        --config.data.train=DIR --config.data.val=DIR
"""

from jaxrestore.configs.train import alr_natural


def get_config():
    return alr_natural.get_config("0.1")
