"""What each prior minimises, one file a prior; `training.recipe` finds them."""
