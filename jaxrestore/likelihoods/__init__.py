"""Likelihoods: everything that reads the measurement y."""

from jaxrestore.likelihoods.compressed import jpeg_observation
from jaxrestore.likelihoods.jpeg_steps import project_box
from jaxrestore.likelihoods.noise import GaussianNoise, NoiseModel
from jaxrestore.likelihoods.observation import Observation
from jaxrestore.likelihoods.quantised import QuantisedNoise

__all__ = [
    "GaussianNoise",
    "NoiseModel",
    "Observation",
    "QuantisedNoise",
    "jpeg_observation",
    "project_box",
]
