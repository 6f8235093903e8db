"""Training config of the tests."""

from jaxrestore.training.config import base_config


def get_config():
    config = base_config()
    config.recipe = "tests.training.toy_recipe:ToyRecipe"
    config.batch_size = 8
    config.model.width = 2
    config.optimizer.learning_rate = 0.02
    config.data.patch_size = 8
    config.data.num_threads = 1
    config.ema_decay = 0.9
    config.total_steps = 20
    config.log_every = 5
    config.eval_every = 10
    config.eval_batches = 2
    config.checkpoint_every = 5
    return config
