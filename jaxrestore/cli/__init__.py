"""Command lines: flags, validation, dispatch."""
