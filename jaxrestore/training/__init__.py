"""One training loop for every prior; see `loop.train` and `recipe.Recipe`."""
