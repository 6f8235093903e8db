"""Likelihoods: everything that scores the measurement y."""

from jaxrestore.likelihoods.noise import GaussianNoise, NoiseModel
from jaxrestore.likelihoods.observation import Observation

__all__ = ["GaussianNoise", "NoiseModel", "Observation"]
