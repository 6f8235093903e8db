"""Configs of the command lines, found by name; installed as `jaxrestore.configs`."""
