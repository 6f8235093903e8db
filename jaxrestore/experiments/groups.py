"""Few or many latent groups, at nearly equal parameter count (thesis, table 5.4).

  python -m jaxrestore.experiments groups --train=DIR --val=DIR --images=DIR \\
      --steps=20000 --out=DIR

Trains one PatchVDVAE for each number in --groups (latent groups of every level) through
the training loop of train.py, then deblurs --images with each, with the thesis'
settings, and reports the bound on the validation images. Where groups are fewer,
deterministic blocks stand in for stochastic ones, as in the thesis, so that depth and
parameters stay those of --config: six groups a level, the thesis' 36, but narrow. Each
run lies in OUT/groups_N; the same command goes on with a stopped one, and a larger
--steps trains the finished ones further.
"""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from jaxrestore import InputError, configfiles, load_prior
from jaxrestore.evaluation.harness import observe, scores
from jaxrestore.evaluation.inputs import blurs, test_images
from jaxrestore.evaluation.pictures import Panel, curves
from jaxrestore.evaluation.report import write
from jaxrestore.evaluation.tables import SCORES, across, of, table
from jaxrestore.experiments import settings as kinds
from jaxrestore.experiments.comparison import pnp_hvae
from jaxrestore.priors import PatchVDVAE, PatchVDVAEConfig
from jaxrestore.report.summary import fingerprint
from jaxrestore.settings import as_dict, count, plain, sequence, setting, text
from jaxrestore.training.config import train_config
from jaxrestore.training.export import export
from jaxrestore.training.loop import train

QUICK = {
    "groups": (1,),
    "steps": 2,
    "max_images": 1,
    "crop": 32,
    "solver_steps": 2,
    "noise": kinds.of_255(7.65),
}


@kinds.configured(prior="none")
class Config(kinds.KernelConfig):
    noise: tuple = setting(kinds.of_255(2.55, 7.65, 12.75), kinds.levels, "of 255")
    train: str = setting("", text, "folder of training images")
    val: str = setting("", text, "folder of validation images")
    config: str = setting(
        "patch_vdvae_groups", text, "training config, a file or its name"
    )
    groups: tuple = setting((1, 2, 3, 6), sequence(count()), "of every level")
    steps: int = setting(20_000, count(), "of training")
    temperature: Any = setting(None, kinds.open_tau, "in (0, 1]; without: the thesis'")
    solver_steps: int = setting(50, count(), "of PnP-HVAE")

    required = ("images", "out", "train", "val")


def run(config: Config, report) -> None:
    """Train, restore, tabulate."""
    values, rows = load_config(config.config), []
    images = test_images(config)
    operators = blurs(images, config.kernel)
    keys = jax.random.split(jax.random.key(config.seed), len(config.noise))
    networks = {n: prepared(config, values, n) for n in config.groups}
    for level_groups, own in tqdm(networks.items(), desc="networks", disable=None):
        folder = report.folder / f"groups_{level_groups}"
        weights, bits = trained(own, folder, config.steps)
        prior, size = load_prior(weights), parameters(own.model)
        facts = {"groups": prior.num_groups, "parameters": size, "bits_per_dim": bits}
        method = pnp_hvae(replace(config, steps=config.solver_steps), report, prior)
        for noise, key in zip(config.noise, keys, strict=True):
            seen = observe(key, images.values(), operators, noise)
            chosen = kinds.pnp_settings(config, report, "blur", noise)
            runs, _ = method.solve(seen, chosen, config.batch)
            facts |= {"noise": kinds.label(noise)}
            rows += [
                facts | {"image": name} | scores(run.mean, clean)
                for (name, clean), run in zip(images.items(), runs, strict=True)
            ]
        report.rows(rows)
    caption, axes = f"{config.steps} training steps", ("groups", "psnr", "noise")
    labels = "deblurring", "mean PSNR (dB)", "latent groups", "noise {}/255"
    panel = Panel(rows, *axes, *labels, "o-")
    curves(report.picture, f"{caption}, equal size", panel)
    columns = {
        "parameters": of("parameters", ",.0f"),
        "val bits per dimension": of("bits_per_dim", ".3f"),
        **across(rows, "noise", SCORES["PSNR"], SCORES["SSIM"]),
    }
    caption += f"; {len(images)} images, blur, PSNR (dB) / SSIM of the decoder mean"
    report.table(caption, table(rows, ["groups"], columns), {"config": plain(values)})


def prepared(config: Config, values: dict[str, Any], number: int) -> Any:
    """The checked training config of the network with `number` groups a level."""
    values, steps = variant(values, number), config.steps
    given = {"data.train": config.train, "data.val": config.val}
    given |= {"total_steps": steps, "seed": config.seed}
    own: Any = train_config(values, **given)
    given |= {"optimizer.decay_start": min(own.optimizer.decay_start, steps // 2)}
    given |= {"eval_every": min(own.eval_every, steps)}
    return train_config(values, **given)


def trained(
    config, workdir: Path, steps: int, measure: str = "bits_per_dim"
) -> tuple[Path, float]:
    """Weights of a run, trained to its end, and a measure of its last validation.

    A finished run of the same config is taken as it is.

    Raises:
        KeyboardInterrupt: a signal stopped the training; its checkpoint is written.
    """
    weights, done = workdir / "weights.safetensors", workdir / "done.json"
    identity = fingerprint(as_dict(config))
    if done.is_file() and weights.is_file():
        finished = json.loads(done.read_text())
        if finished["config"] == identity:
            return weights, finished[measure]
    state = train(config, workdir)
    if int(state.step) < steps:
        raise KeyboardInterrupt
    export(config, workdir, weights)
    with (workdir / "metrics.csv").open(newline="") as file:
        found = [row.get(f"val_{measure}") for row in csv.DictReader(file)]
    value = float([value for value in found if value][-1])
    write(done, json.dumps({"config": identity, measure: value}))
    return weights, value


def load_config(name: str, expected: str = "patch_vdvae") -> dict[str, Any]:
    """What the training config sets of a recipe.

    Args:
        name: a .py file with get_config(), or the name of one in configs/train.
        expected: the recipe.

    Raises:
        InputError: no such file, or another recipe's.
    """
    config = configfiles.load_config(name, "train")
    if (recipe := config.get("recipe")) != expected:
        raise InputError(f"--config={name}: trains a {recipe}, expected {expected}")
    return config


def variant(config: dict[str, Any], count: int) -> dict[str, Any]:
    """A copy with `count` latent groups a level, and the depth and size of all.

    Args:
        config: what the training config of a PatchVDVAE sets.
        count: latent groups of every level, a divisor of what each has in `config`.

    Raises:
        InputError: it is none.
    """
    whole = PatchVDVAEConfig.from_dict(config["model"])
    if whole.depth != whole.num_groups or any(n % count for n in whole.groups):
        raise InputError(
            f"--groups={count}: expected divisors of the groups of each level of"
            f" --config, {whole.groups}, without deterministic ones"
        )
    each = tuple(groups // count - 1 for groups in whole.groups)
    groups = (count,) * len(whole.groups)
    return config | {
        "model": replace(whole, groups=groups, deterministic=each).to_dict()
    }


def parameters(config: PatchVDVAEConfig) -> int:
    """How many parameters a PatchVDVAE has."""
    key = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)
    shapes = jax.eval_shape(lambda k: PatchVDVAE.init_params(config, k), key)
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(shapes))
