"""Temperatures chosen from the observation alone, against the best fixed one.

  python -m jaxrestore.experiments auto_temperature --images=DIR --kernels=DIR --out=DIR

Deblurs every image behind every kernel at every noise level by PnP-HVAE, at each of the
temperatures that temperature="auto" chooses from. "best fixed" is the one of them with
the highest mean PSNR for a noise level, chosen with the originals at hand; "best each"
has it chosen for each image. SURE and the discrepancy principle see the observation
alone (docs/pnp_hvae.md). Scored is the decoder mean; the other settings are those of
solve.py.
"""

from functools import partial

import numpy as np
from tqdm import tqdm

from jaxrestore.experiments import flags as kinds
from jaxrestore.experiments.deblurring import blurred, levels, read_kernels
from jaxrestore.experiments.inputs import hierarchical_prior, images_for
from jaxrestore.experiments.methods import knobs, solve_attempts
from jaxrestore.experiments.scoring import scores
from jaxrestore.experiments.settings import check_fits, chosen_for
from jaxrestore.experiments.tables import markdown
from jaxrestore.report.charts import chart, label
from jaxrestore.solvers.selection import CANDIDATES, CRITERIA

QUICK = {
    "max_images": 1,
    "crop": 32,
    "steps": 2,
    "noise": ["7.65"],
    "ids": ["gaussian"],
}


def add_flags(parser) -> None:
    """Flags of this experiment."""
    add = parser.add_argument
    add("--kernels", help="folder of kernels, .npy files")
    add("--ids", type=kinds.words, help="their numbers; with a folder [4,7,9,11]")
    add("--noise", type=kinds.words, default=["2.55", "7.65", "12.75"], help="of 255")
    add("--decoder_std", type=kinds.positive, help="of 255; without: as solve.py")
    add("--encoder_noise", type=kinds.number, help="of 255; without: as solve.py")
    add("--steps", type=kinds.count, default=50, help="iterations at most")
    add("--tolerance", type=kinds.number, default=2e-3, help="as in solve.py")


def run(flags, report) -> None:
    """Solve at every candidate, score, compare the choices."""
    by_level = levels(flags.noise)
    prior = hierarchical_prior(flags.prior, "auto_temperature")
    images, blurs = images_for(prior, flags), read_kernels(flags)
    for name, kernel in blurs.items():
        check_fits(kernel, images, f"--ids={name}")
    rows, settings = [], {}
    for noise, level in by_level.items():
        settings[noise] = chosen = chosen_for("blur", level, flags)
        solve = partial(_attempts, prior, chosen, flags)
        for kernel, seen in blurred(blurs, level, images, flags.seed).items():
            text = f"noise {noise}, kernel {kernel}"
            cases = list(zip(images.items(), seen, strict=True))
            for (image, clean), observation in tqdm(cases, desc=text, disable=None):
                keys = {"noise": noise, "kernel": kernel, "image": image}
                rows += [keys | row for row in solve(observation, clean)]
            report.rows(rows)
    summary = {noise: summarise(rows, noise) for noise in settings}
    _draw(report.picture, summary)
    for setting in settings.values():
        del setting["temperature"]
    report.table(_table(summary, len(images)), settings)


def _attempts(prior, chosen, flags, observation, clean) -> list[dict]:
    """A row for every candidate: its PSNR, and what both criteria say of it."""
    static = {"max_steps": flags.steps, "tolerance": flags.tolerance}
    means, found = solve_attempts(prior, observation, knobs(chosen), static)
    return [
        {
            "temperature": float(tau),
            "psnr": scores(mean, clean)["psnr"],
            **{name: float(found[name][i]) for name in CRITERIA},
        }
        for i, (tau, mean) in enumerate(zip(CANDIDATES, means, strict=True))
    ]


def summarise(rows, noise: str) -> dict[str, float]:
    """Mean PSNR of each way to choose, at a noise level, and the mean of each tau."""
    own = [row for row in rows if row["noise"] == noise]
    taus = list(dict.fromkeys(row["temperature"] for row in own))
    psnr = _by_problem(own, "psnr", len(taus))
    fixed = psnr.mean(0)
    pairs = zip(taus, fixed.tolist(), strict=True)
    result = {f"tau {tau:g}": mean for tau, mean in pairs}
    result["best fixed"] = float(fixed.max())
    result["best each"] = float(psnr.max(1).mean())
    for name in CRITERIA:
        chosen = np.argmin(_by_problem(own, name, len(taus)), axis=1)
        result[name] = float(psnr[np.arange(len(psnr)), chosen].mean())
        result[_chosen(name)] = float(np.mean(np.asarray(taus)[chosen]))
    return result


def _by_problem(rows, key: str, count: int) -> np.ndarray:
    return np.array([row[key] for row in rows]).reshape(-1, count)


def _table(summary, count: int) -> str:
    means = {_chosen(name) for name in CRITERIA}
    names = [name for name in next(iter(summary.values())) if name not in means]
    body = [
        [name, *(f"{of[name]:.2f}" + _behind(of, name) for of in summary.values())]
        for name in names
    ]
    caption = (
        f"{count} images, mean PSNR (dB) of the decoder mean over images and kernels;"
        " in brackets what is lost against the best fixed temperature, and the mean"
        " temperature chosen"
    )
    head = ["temperature", *(f"noise {noise}" for noise in summary)]
    return f"{caption}\n\n{markdown(head, body)}"


def _behind(of, name: str) -> str:
    if name not in CRITERIA:
        return ""
    return f" ({of[name] - of['best fixed']:+.2f}; {of[_chosen(name)]:.2f})"


def _chosen(name: str) -> str:
    return f"mean temperature of {name}"


def _draw(path, summary) -> None:
    with chart(path, 1, "choosing the temperature") as (ax,):
        for noise, of in summary.items():
            taus = [key for key in of if key.startswith("tau ")]
            values = [of[key] for key in taus]
            at = [float(key[4:]) for key in taus]
            (line,) = ax.plot(at, values, ".-", label=f"noise {noise}/255")
            for name, mark in zip(CRITERIA, ("o", "s"), strict=True):
                kwargs = {"color": line.get_color(), "fillstyle": "none"}
                ax.plot(of[_chosen(name)], of[name], mark, **kwargs)
        label(ax, "circles: SURE; squares: discrepancy", "temperature", "PSNR (dB)")
