"""Estimation: what is read off the measurement y before anything is solved."""

from jaxrestore.estimation.noise import NoiseEstimate, estimate_noise

__all__ = ["NoiseEstimate", "estimate_noise"]
