"""Reading images: single files, training sources, the patch pipeline."""
