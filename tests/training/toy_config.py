"""Training config of the tests."""


def get_config():
    return {
        "recipe": "tests.training.toy_recipe:ToyRecipe",
        "batch_size": 8,
        "model": {"width": 2},
        "optimizer": {"learning_rate": 0.02},
        "data": {"patch_size": 8, "num_threads": 1},
        "ema_decay": 0.9,
        "total_steps": 20,
        "log_every": 5,
        "eval_every": 10,
        "eval_batches": 2,
        "checkpoint_every": 5,
    }
