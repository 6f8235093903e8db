"""Solver settings chosen by task and noise level, where the user leaves them `auto`."""

from typing import NamedTuple

import numpy as np

TASKS = ("blur", "downsample", "mask", "identity")


class Setting(NamedTuple):
    """What PnP-HVAE needs beside the observation.

    Attributes:
        temperature: In (0, 1]; lower trusts the prior more.
        decoder_std: Standard deviation of p(x | z), in [0, 1] units.
        encoder_noise: Noise level that the encoder is told, in [0, 1] units; priors
            without such an input ignore it.
    """

    temperature: float
    decoder_std: float
    encoder_noise: float


# Observation's noise_std -> setting, linear in between, constant outside.
TABLES: dict[str, dict[float, Setting]] = {
    "blur": {
        2.55 / 255: Setting(0.95, 14 / 255, 9 / 255),
        7.65 / 255: Setting(0.95, 18 / 255, 9 / 255),
        12.75 / 255: Setting(0.95, 20 / 255, 8 / 255),
    },
    "downsample": {3 / 255: Setting(0.95, 20 / 255, 9 / 255)},
    "mask": {3 / 255: Setting(0.95, 20 / 255, 9 / 255)},
    # The encoder is told the noise level itself, and the wide p(x | z) leaves x at the
    # observation: the decoder mean is one pass of the denoiser.
    "identity": {
        1 / 255: Setting(1.0, 1.0, 1 / 255),
        50 / 255: Setting(1.0, 1.0, 50 / 255),
    },
}

# Weight of a critic by task and noise level, for `variational`'s "pixel" scaling:
# linear in between, constant outside.
WEIGHTS: dict[str, dict[float, float]] = {
    "identity": {0.1: 0.17, 0.2: 0.28, 0.4: 0.35},
    "blur": {0.03: 0.08},
    "downsample": {0.03: 0.04},
    "mask": {0.03: 0.1},
}
# The weights of the thesis (3.4.1), for the "literal" scaling of eq. (3.4).
PUBLISHED_WEIGHTS = {0.05: 0.15, 0.1: 0.35, 0.2: 0.6, 0.3: 0.8, 0.4: 1.0}


def interpolate(task: str, noise_std: float) -> Setting:
    """The setting for a task at a noise level, from `TABLES`.

    Args:
        task: One of `TASKS`.
        noise_std: In [0, 1] units.
    """
    table = TABLES[task]
    levels = sorted(table)
    columns = zip(*(table[level] for level in levels), strict=True)
    return Setting(*(float(np.interp(noise_std, levels, c)) for c in columns))
