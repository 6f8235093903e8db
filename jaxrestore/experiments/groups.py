"""Few or many latent groups, at nearly equal parameter count (thesis, table 5.4).

  python -m jaxrestore.experiments groups --train=DIR --val=DIR --images=DIR \\
      --steps=20000 --out=DIR

Trains one PatchVDVAE for each number in --groups (latent groups of every level) through
the training loop of train.py, then deblurs --images with each, with the settings of
solve.py, and reports the bound on the validation images. The thesis keeps the number of
parameters by deterministic blocks in place of stochastic ones; here all widths of a
network with fewer groups are scaled up until its size is that of --config. Each run
lies in OUT/groups_N; the same command goes on with a stopped one, and a larger --steps
trains the finished ones further.
"""

import csv
import json
from pathlib import Path
from typing import Any

import jax.numpy as jnp
from tqdm import tqdm

from jaxrestore import load_prior
from jaxrestore.experiments import flags as kinds
from jaxrestore.experiments.inputs import images_for
from jaxrestore.experiments.methods import observe, solve_pnp
from jaxrestore.experiments.report import write
from jaxrestore.experiments.scoring import scores
from jaxrestore.experiments.settings import add_settings, chosen_for, kernel_of
from jaxrestore.experiments.tables import markdown, mean
from jaxrestore.experiments.variants import load_config, parameters, variant
from jaxrestore.operators import Blur
from jaxrestore.report.charts import chart, label
from jaxrestore.report.summary import fingerprint
from jaxrestore.settings import as_dict, plain
from jaxrestore.training.config import train_config
from jaxrestore.training.export import export
from jaxrestore.training.loop import train

QUICK = {
    "groups": [1],
    "steps": 2,
    "max_images": 1,
    "crop": 32,
    "solver_steps": 2,
    "noise": [7.65],
}


def add_flags(parser) -> None:
    """Flags of this experiment."""
    add_settings(parser)
    parser.set_defaults(prior="none")
    add = parser.add_argument
    add("--train", required=True, help="folder of training images")
    add("--val", required=True, help="folder of validation images")
    config = "patch_vdvae_natural"
    add("--config", default=config, help="training config, a file or its name")
    add("--groups", type=kinds.counts, default=[1, 2, 3, 6], help="of every level")
    add("--steps", type=kinds.count, default=20_000, help="of training")
    levels = [2.55, 7.65, 12.75]
    add("--noise", type=kinds.numbers, default=levels, help="of 255")
    add("--solver_steps", type=kinds.count, default=50, help="of PnP-HVAE")
    add("--tolerance", type=kinds.number, default=2e-3, help="as in solve.py")
    add("--batch", type=kinds.count, default=1, help="images solved together")


def run(flags, report) -> None:
    """Train, restore, tabulate."""
    config, rows, sizes = load_config(flags.config), [], {}
    images = images_for(None, flags)
    operators = [Blur(jnp.asarray(kernel_of(flags, images)))] * len(images)
    for count in tqdm(flags.groups, desc="networks", disable=None):
        own = prepared(config, count, flags)
        weights, bits = trained(own, report.folder / f"groups_{count}", flags.steps)
        prior = load_prior(weights)
        sizes[count] = parameters(own.model)
        facts = {"groups": prior.num_groups, "parameters": sizes[count]}
        for row in restored(prior, images, operators, flags):
            rows.append({**facts, "bits_per_dim": bits, **row})
        report.rows(rows)
    _draw(report.picture, rows, flags)
    shown = json.dumps(plain(config))
    report.table(_table(rows, flags, len(images)), {"config": shown})


def prepared(config: Any, count: int, flags):
    """The validated training config of the network with `count` groups a level."""
    values = variant(config, count)
    given = {"data.train": flags.train, "data.val": flags.val}
    given |= {"total_steps": flags.steps, "seed": flags.seed}
    own = train_config(values, **given)
    start = min(own.optimizer.decay_start, flags.steps // 2)
    given |= {"optimizer.decay_start": start}
    given |= {"eval_every": min(own.eval_every, flags.steps)}
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


def restored(prior, images, operators, flags):
    """Rows of scores, one for each noise level and image."""
    flags.steps, steps = flags.solver_steps, flags.steps
    for noise in flags.noise:
        seen = observe(images.values(), operators, noise, flags.seed)
        solved = solve_pnp(prior, seen, chosen_for("blur", noise, flags), flags)
        for (name, clean), one in zip(images.items(), solved.runs, strict=True):
            yield {"noise": noise, "image": name, **scores(one.mean, clean)}
    flags.steps = steps


def _means(rows):
    """(groups, noise) -> mean PSNR and SSIM."""
    keys = dict.fromkeys((row["groups"], row["noise"]) for row in rows)
    own = {k: [r for r in rows if (r["groups"], r["noise"]) == k] for k in keys}
    return {k: (mean(v, "psnr"), mean(v, "ssim")) for k, v in own.items()}


def _table(rows, flags, count: int) -> str:
    means, body = _means(rows), []
    facts = {r["groups"]: (r["parameters"], r["bits_per_dim"]) for r in rows}
    for groups, (size, bits) in facts.items():
        cells = (means[groups, noise] for noise in flags.noise)
        scored = (f"{psnr:.2f} / {ssim:.3f}" for psnr, ssim in cells)
        body.append([groups, f"{size:,}", f"{bits:.3f}", *scored])
    head = ["groups", "parameters", "val bits per dimension"]
    head += [f"noise {noise:g}" for noise in flags.noise]
    caption = f"{flags.steps} training steps; {count} images, blur, PSNR (dB) / SSIM"
    return f"{caption} of the decoder mean\n\n{markdown(head, body)}"


def _draw(path, rows, flags) -> None:
    means = _means(rows)
    groups = list(dict.fromkeys(row["groups"] for row in rows))
    with chart(path, 1, f"{flags.steps} training steps, equal size") as (ax,):
        for noise in flags.noise:
            psnrs = [means[count, noise][0] for count in groups]
            ax.plot(groups, psnrs, "o-", label=f"noise {noise:g}/255")
        label(ax, "deblurring", "latent groups", "mean PSNR (dB)")
