"""Likelihoods: everything that reads the measurement y."""

from jaxrestore.likelihoods.estimate import estimate_noise_std
from jaxrestore.likelihoods.noise import GaussianNoise, NoiseModel
from jaxrestore.likelihoods.observation import Observation

__all__ = ["GaussianNoise", "NoiseModel", "Observation", "estimate_noise_std"]
