"""Layers and residual cells. The only package that imports ``flax.linen``."""
