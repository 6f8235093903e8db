"""Configs of `jaxrestore train`."""
