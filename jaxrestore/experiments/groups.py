"""Few or many latent groups, at nearly equal parameter count (thesis, table 5.4).

  python -m jaxrestore.experiments groups --train=DIR --val=DIR --images=DIR \\
      --steps=20000 --out=DIR

Trains one PatchVDVAE for each number in --groups (latent groups of every level) through
the training loop of train.py, then deblurs --images with each, with the thesis'
settings, and reports the bound on the validation images. The thesis keeps the number of
parameters by deterministic blocks in place of stochastic ones; here all widths of a
network with fewer groups are scaled up until its size is that of --config. Each run
lies in OUT/groups_N; the same command goes on with a stopped one, and a larger --steps
trains the finished ones further.
"""

import csv
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
from tqdm import tqdm

from jaxrestore import load_prior
from jaxrestore.evaluation.harness import observe
from jaxrestore.evaluation.inputs import blurs, test_images
from jaxrestore.evaluation.report import write
from jaxrestore.evaluation.scoring import scores
from jaxrestore.evaluation.tables import grouped, markdown, mean, pivot
from jaxrestore.experiments.comparison import pnp_hvae
from jaxrestore.experiments.settings import (
    KernelConfig,
    defaults,
    label,
    levels,
    of_255,
    pnp_settings,
)
from jaxrestore.experiments.variants import load_config, parameters, variant
from jaxrestore.report import charts
from jaxrestore.report.summary import fingerprint
from jaxrestore.settings import as_dict, count, number, plain, sequence, setting, text
from jaxrestore.training.config import train_config
from jaxrestore.training.export import export
from jaxrestore.training.loop import train

QUICK = {
    "groups": (1,),
    "steps": 2,
    "max_images": 1,
    "crop": 32,
    "solver_steps": 2,
    "noise": of_255(7.65),
}


@defaults(prior="none")
@dataclass(frozen=True)
class Config(KernelConfig):
    train: str = setting("", text, "folder of training images")
    val: str = setting("", text, "folder of validation images")
    config: str = setting(
        "patch_vdvae_natural", text, "training config, a file or its name"
    )
    groups: tuple = setting((1, 2, 3, 6), sequence(count()), "of every level")
    steps: int = setting(20_000, count(), "of training")
    temperature: Any = setting(
        None, number(0, 1, above=True, none=True), "in (0, 1]; without: the thesis'"
    )
    noise: tuple = setting(of_255(2.55, 7.65, 12.75), levels, "of 255")
    solver_steps: int = setting(50, count(), "of PnP-HVAE")

    required = ("images", "out", "train", "val")


def run(config: Config, report) -> None:
    """Train, restore, tabulate."""
    values, rows = load_config(config.config), []
    images = test_images(None, config)
    operators = blurs(config.kernel, images, "--kernel")
    for level_groups in tqdm(config.groups, desc="networks", disable=None):
        own = prepared(config, values, level_groups)
        weights, bits = trained(
            own, report.folder / f"groups_{level_groups}", config.steps
        )
        prior, size = load_prior(weights), parameters(own.model)
        facts = {"groups": prior.num_groups, "parameters": size, "bits_per_dim": bits}
        for row in restored(config, report, prior, images, operators):
            rows.append({**facts, **row})
        report.rows(rows)
    caption = f"{config.steps} training steps"
    _draw(report.picture, rows, f"{caption}, equal size")
    caption += f"; {len(images)} images, blur, PSNR (dB) / SSIM of the decoder mean"
    report.table(f"{caption}\n\n{_table(rows)}", {"config": plain(values)})


def prepared(config: Config, values: dict[str, Any], number: int) -> Any:
    """The checked training config of the network with `number` groups a level."""
    values, steps = variant(values, number), config.steps
    given = {"data.train": config.train, "data.val": config.val}
    given |= {"total_steps": steps, "seed": config.seed}
    own: Any = train_config(values, **given)
    given |= {"optimizer.decay_start": min(own.optimizer.decay_start, steps // 2)}
    given |= {"eval_every": min(own.eval_every, steps)}
    return train_config(values, **given)


def trained(config, workdir: Path, steps: int) -> tuple[Path, float]:
    """Weights and bits per dimension (validation) of a run, trained to its end.

    A finished run of the same config is taken as it is.

    Raises:
        KeyboardInterrupt: a signal stopped the training; its checkpoint is written.
    """
    weights, done = workdir / "weights.safetensors", workdir / "done.json"
    identity = fingerprint(as_dict(config))
    if done.is_file() and weights.is_file():
        finished = json.loads(done.read_text())
        if finished["config"] == identity:
            return weights, finished["bits_per_dim"]
    state = train(config, workdir)
    if int(state.step) < steps:
        raise KeyboardInterrupt
    export(config, workdir, weights)
    with (workdir / "metrics.csv").open(newline="") as file:
        found = [row.get("val_bits_per_dim") for row in csv.DictReader(file)]
    bits = float([value for value in found if value][-1])
    write(done, json.dumps({"config": identity, "bits_per_dim": bits}))
    return weights, bits


def restored(config: Config, report, prior, images, operators):
    """Rows of scores, one for each noise level and image."""
    method = pnp_hvae(replace(config, steps=config.solver_steps), report, prior)
    keys = jax.random.split(jax.random.key(config.seed), len(config.noise))
    for noise, key in zip(config.noise, keys, strict=True):
        seen = observe(key, images.values(), operators, noise)
        chosen = pnp_settings(config, report, "blur", noise)
        runs = method.solve(seen, chosen, config.batch).runs
        for (name, clean), one in zip(images.items(), runs, strict=True):
            yield {"noise": label(noise), "image": name, **scores(one.mean, clean)}


def _table(rows) -> str:
    body = []
    cells = pivot(rows, "groups", "noise", {"psnr": ".2f", "ssim": ".3f"})
    for (groups, size, bits), _ in grouped(
        rows, "groups", "parameters", "bits_per_dim"
    ).items():
        of_groups = cells[groups].values()
        body.append([groups, f"{size:,}", f"{bits:.3f}", *of_groups])
    head = ["groups", "parameters", "val bits per dimension"]
    levels = dict.fromkeys(row["noise"] for row in rows)
    return markdown([*head, *(f"noise {noise}" for noise in levels)], body)


def _draw(path, rows, title: str) -> None:
    with charts.chart(path, 1, title) as (ax,):
        for (noise,), own in grouped(rows, "noise").items():
            by = {n: mean(of, "psnr") for (n,), of in grouped(own, "groups").items()}
            ax.plot(list(by), list(by.values()), "o-", label=f"noise {noise}/255")
        charts.label(ax, "deblurring", "latent groups", "mean PSNR (dB)")
