"""How many latent groups a small image decides (thesis, figure 6.2).

  python -m jaxrestore.experiments consistency --images=DIR --out=DIR

U_k^s is how far images with the same first k groups are from one another when seen s
times smaller, drawn from the prior: it tells, before any encoder is trained, how
consistent samples for a small image will be if an encoder predicts k groups. Beside
it, on --images, CE(k): how far samples are from the small image that they were made
for, with each encoder of --encoders, and (B.5) with the prior's own encoder in its
place, which Proposition 6.2 says are the same for a perfect VAE and encoder. All are
root mean squares, of 255; nothing is projected. The table names the least k with U_k^s
of at most --wanted.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore.errors import InputError
from jaxrestore.evaluation.inputs import encoders_for, hierarchical_prior, test_images
from jaxrestore.evaluation.tables import markdown
from jaxrestore.experiments.settings import Config as Base
from jaxrestore.experiments.settings import defaults
from jaxrestore.operators import Downsample
from jaxrestore.priors import VDVAE
from jaxrestore.priors.hvae import consistency
from jaxrestore.report import charts
from jaxrestore.settings import count, number, sequence, setting, text

QUICK = {"max_images": 1, "codes": 1, "draws": 2, "factors": (2,)}
BUNDLED = tuple(f"cvdvae-faces64-x{factor}" for factor in (2, 4, 8))


@defaults(prior="vdvae-faces64", max_images=50)
@dataclass(frozen=True)
class Config(Base):
    encoders: tuple = setting(BUNDLED, sequence(text), "names or files, or none")
    factors: tuple = setting((2, 4, 8), sequence(count()), "s, beside 1, of U")
    codes: int = setting(50, count(), "draws of z, for U")
    draws: int = setting(5, count(2), "images for each z or y")
    wanted: float = setting(2.0, number(0, above=True), "of 255")


def run(config: Config, report) -> None:
    """Measure, draw, tabulate."""
    prior = hierarchical_prior(config.prior, "consistency")
    if not isinstance(prior, VDVAE):
        raise InputError(f"--prior={config.prior}: expected a VDVAE")
    encoders = encoders_for(prior, config.encoders)
    images = test_images(prior, config)
    operators = {f: Downsample.bicubic(f) for f in (1, *config.factors)}
    operators |= {factor: e.config.operator() for factor, e in encoders.items()}
    code_key, *keys = jax.random.split(jax.random.key(config.seed), 3)
    of_prior = _unpredictability(prior, operators, config, code_key)
    curves = {"U": dict(zip(operators, of_prior, strict=True))}
    measures = {"CE": _trained, "B.5": _perfect}
    for (name, measure), key in zip(measures.items(), keys, strict=True):
        curves[name] = {
            factor: _mean_over(images, measure, (prior, encoder), config, key)
            for factor, encoder in encoders.items()
        }
    rows = [
        {"factor": factor, "k": k, "quantity": name, "value": float(value)}
        for name, of in curves.items()
        for factor, values in of.items()
        for k, value in enumerate(values)
    ]
    report.rows(rows)
    _draw(report.picture, curves, config)
    report.table(_table(curves, config, len(images)), {"groups": prior.num_groups})


def _unpredictability(prior, operators, config, key) -> np.ndarray:
    """(operators, L + 1), the mean over --codes."""

    @jax.jit
    def one(prior, key):
        found = tuple(operators.values())
        return consistency.unpredictability(prior, found, key, config.draws)

    keys = jax.random.split(key, config.codes)
    return np.mean([one(prior, key) for key in tqdm(keys, desc="U", disable=None)], 0)


@partial(jax.jit, static_argnums=4)
def _trained(prior, encoder, image, key, draws: int):
    return consistency.consistency_error(prior, encoder, image, key, draws)


@partial(jax.jit, static_argnums=4)
def _perfect(prior, encoder, image, key, draws: int):
    operator = encoder.config.operator()
    return consistency.reconstruction_error(prior, operator, image, key, draws)


def _mean_over(images, measure, models, config, key) -> np.ndarray:
    text = f"x{models[1].config.factor}"
    bar = tqdm(images.values(), desc=text, disable=None)
    found = [
        measure(*models, jnp.asarray(x), jax.random.fold_in(key, i), config.draws)
        for i, x in enumerate(bar)
    ]
    return np.mean(found, 0)


def _table(curves, config, count: int) -> str:
    body = []
    for factor, u in curves["U"].items():
        try:
            k = str(consistency.choose_groups(u, config.wanted))
        except InputError:
            k = "none"
        trained = curves["CE"].get(factor)
        last = len(u) - 1 if trained is None else len(trained) - 1
        others = [curves[name].get(factor) for name in ("CE", "B.5")]
        cells = ["" if of is None else f"{of[last]:.2f}" for of in others]
        body.append([f"x{factor}", k, last, f"{u[last]:.2f}", *cells])
    head = ["s", f"least k with U <= {config.wanted:g}", "k of the encoder"]
    head += ["U there", "CE there", "(B.5) there"]
    caption = (
        f"prior {config.prior}, {config.codes} codes, {config.draws} images each; CE"
        f" and (B.5) over {count} images; of 255"
    )
    return f"{caption}\n\n{markdown(head, body)}"


def _draw(path, curves, config) -> None:
    factors = list(curves["CE"])
    with charts.chart(path, 1 + len(factors), config.prior) as (first, *others):
        for factor, values in curves["U"].items():
            first.plot(values, ".-", markersize=3, label=f"s = {factor}")
        charts.label(first, "unpredictability", "groups k", "U (of 255)")
        for ax, factor in zip(others, factors, strict=True):
            for name, of in curves.items():
                ax.plot(of[factor], ".-", markersize=3, label=name)
            charts.label(ax, f"x{factor}", "groups k", "root mean square (of 255)")
