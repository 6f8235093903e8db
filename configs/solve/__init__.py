"""Configs of `jaxrestore solve`."""
