"""Published checkpoints to ours, one module a format."""
