"""White noise: observed, total variation and critics (ALR), one table (table 3.2).

  python -m jaxrestore.experiments denoising --images=DIR --val=DIR --out=DIR \\
      --priors=alr-natural,single.safetensors

Every method gets the same observations; its weight is chosen on --val for each noise
level. Critics see the image turned from step to step (--turns=False: upright). The
table ends with how many whole images of --val have, for each critic, a mean score that
grows with the noise (0, 0.05, 0.1, 0.15; figure 3.5). Noise levels are in [0, 1] units,
not of 255.

The thesis reports 28.85 / 24.88 / 21.58 dB at 0.1 / 0.2 / 0.4 on the 68 images of BSD68
(table 3.2) with a critic trained on noise of 0.05 to 0.30.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore import load_prior
from jaxrestore.errors import InputError
from jaxrestore.evaluation.harness import observe
from jaxrestore.evaluation.inputs import test_images, validation_images
from jaxrestore.evaluation.tables import markdown
from jaxrestore.experiments import comparison
from jaxrestore.experiments.settings import Validated, configured
from jaxrestore.operators import Identity
from jaxrestore.priors import Critic
from jaxrestore.settings import count, flag, number, sequence, setting, text
from jaxrestore.settings import level as unit_level
from jaxrestore.solvers.presets import preset

QUICK = {
    "max_images": 1,
    "crop": 24,
    "val_images": 1,
    "val_crop": 24,
    "noise": (0.1,),
    "weights": (0.2,),
    "alr_steps": 2,
    "tv_steps": 3,
}
SCORE_LEVELS = (0.0, 0.05, 0.1, 0.15)
_KEYS = ("noise", "case")
_TV_WEIGHTS = (50, 70, 85, 100, 120, 140)


@configured(prior="none")
class Config(comparison.Compared, Validated):
    priors: tuple = setting(("alr-natural",), sequence(text), "critics, names or files")
    noise: tuple = setting(
        (0.1, 0.2, 0.4), sequence(unit_level()), "levels in [0, 1] units"
    )
    weights: tuple = setting(
        (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0),
        sequence(number(0, above=True)),
        "of critics, to choose from",
    )
    alr_steps: int = setting(50, count(), "of Adam")
    turns: bool = setting(True, flag, "critics see the image turned, step by step")
    tv_steps: int = setting(150, count(), "of total variation")


def run(config: Config, report) -> None:
    """Choose weights on the validation images, then score the test images."""
    critics = {Path(name).stem: load_prior(name) for name in config.priors}
    entries = [comparison.total_variation(_TV_WEIGHTS, config.tv_steps)]

    def grid(problem):
        tuned = preset("variational", "alr-natural", problem.task, problem.noise)
        chosen = tuned.settings | {"turns": config.turns}
        return [chosen | {"weight": weight} for weight in config.weights]

    limits = {"max_steps": config.alr_steps}
    for name, critic in critics.items():
        if not isinstance(critic, Critic):
            raise InputError(
                f"--priors={name}: is a {type(critic).__name__}, expected critics such"
                " as alr-natural"
            )
        given = name, name, "variational", (critic,), grid, limits
        entries.append(comparison.Entry(*given))
    problems = [
        comparison.Problem(f"{n:g}", "identity", n, partial(noisy, n), _KEYS)
        for n in config.noise
    ]
    images = test_images(config), validation_images(config)
    caption = f"{config.alr_steps} steps of Adam"
    growth_key, key = jax.random.split(jax.random.key(config.seed))
    more = partial(growth_table, growth_key, critics, config)
    comparison.compare(
        config, report, key, entries, problems, *images, caption, more=more
    )


def noisy(noise: float, images, key: jax.Array) -> dict[str, list]:
    """Observations of all images, {case: list}."""
    seen = observe(key, images.values(), [Identity()] * len(images), noise)
    return {"white": seen}


def growth_table(key: jax.Array, critics, config: Config, rows) -> str:
    """Mean scores of whole validation images by noise level, and how many grow."""
    images, body = validation_images(replace(config, val_crop=0)), []
    measure = jax.jit(lambda critic, image: critic(image))
    for name, critic in critics.items():
        found = []
        for i, clean in enumerate(tqdm(images.values(), name, disable=None)):
            noise = jax.random.normal(jax.random.fold_in(key, i), clean.shape)
            seen = [jnp.asarray(clean) + level * noise for level in SCORE_LEVELS]
            found.append([float(measure(critic, image)) for image in seen])
        growing = int(np.all(np.diff(found, axis=1) > 0, axis=1).sum())
        means = (f"{mean:.3f}" for mean in np.mean(found, 0))
        body.append([name, *means, f"{growing} of {len(found)}"])
    head = ["mean score", *(f"noise {s:g}" for s in SCORE_LEVELS), "growing"]
    return f"\nWhole images of --val:\n\n{markdown(head, body)}"
