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

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore import InputError
from jaxrestore.experiments import flags as kinds
from jaxrestore.experiments.inputs import encoders_for, hierarchical_prior, images_for
from jaxrestore.experiments.tables import markdown
from jaxrestore.operators import Downsample
from jaxrestore.priors.hvae import consistency
from jaxrestore.priors.hvae.vdvae import VDVAE
from jaxrestore.report.charts import chart, label

QUICK = {"max_images": 1, "codes": 1, "draws": 2, "factors": [2]}


def add_flags(parser) -> None:
    """Flags of this experiment."""
    add = parser.add_argument
    bundled = [f"cvdvae-faces64-x{factor}" for factor in (2, 4, 8)]
    add("--encoders", type=kinds.words, default=bundled, help="names or files, or none")
    add("--factors", type=kinds.counts, default=[2, 4, 8], help="s, beside 1, of U")
    add("--codes", type=kinds.count, default=50, help="draws of z, for U")
    add("--draws", type=kinds.count, default=5, help="images for each z or y")
    add("--wanted", type=kinds.positive, default=2.0, help="of 255")
    parser.set_defaults(prior="vdvae-faces64", max_images=50)


def run(flags, report) -> None:
    """Measure, draw, tabulate."""
    prior = hierarchical_prior(flags.prior, "consistency")
    if not isinstance(prior, VDVAE) or flags.draws < 2:
        given = "prior" if not isinstance(prior, VDVAE) else "draws"
        raise InputError(
            f"--{given}={getattr(flags, given)}: expected"
            f" {'a VDVAE' if given == 'prior' else '2 or more'}"
        )
    encoders, images = encoders_for(prior, flags), images_for(prior, flags)
    operators = {f: Downsample.bicubic(f) for f in (1, *flags.factors)}
    operators |= {factor: e.config.operator() for factor, e in encoders.items()}
    of_prior = _unpredictability(prior, operators, flags)
    curves = {"U": dict(zip(operators, of_prior, strict=True))}
    for name, measure in {"CE": _trained, "B.5": _perfect}.items():
        curves[name] = {
            factor: _mean_over(images, measure, (prior, encoder), flags, name)
            for factor, encoder in encoders.items()
        }
    rows = [
        {"factor": factor, "k": k, "quantity": name, "value": float(value)}
        for name, of in curves.items()
        for factor, values in of.items()
        for k, value in enumerate(values)
    ]
    report.rows(rows)
    _draw(report.picture, curves, flags)
    report.table(_table(curves, flags, len(images)), {"groups": prior.num_groups})


def _unpredictability(prior, operators, flags) -> np.ndarray:
    """(operators, L + 1), the mean over --codes."""

    @jax.jit
    def one(prior, key):
        found = tuple(operators.values())
        return consistency.unpredictability(prior, found, key, flags.draws)

    keys = jax.random.split(jax.random.key(flags.seed), flags.codes)
    return np.mean([one(prior, key) for key in tqdm(keys, desc="U", disable=None)], 0)


@partial(jax.jit, static_argnums=4)
def _trained(prior, encoder, image, key, draws: int):
    return consistency.consistency_error(prior, encoder, image, key, draws)


@partial(jax.jit, static_argnums=4)
def _perfect(prior, encoder, image, key, draws: int):
    operator = encoder.config.operator()
    return consistency.reconstruction_error(prior, operator, image, key, draws)


def _mean_over(images, measure, models, flags, text: str) -> np.ndarray:
    key = jax.random.key(flags.seed + 1)
    bar = tqdm(
        images.values(), desc=f"{text}, x{models[1].config.factor}", disable=None
    )
    found = [
        measure(*models, jnp.asarray(x), jax.random.fold_in(key, i), flags.draws)
        for i, x in enumerate(bar)
    ]
    return np.mean(found, 0)


def _table(curves, flags, count: int) -> str:
    body = []
    for factor, u in curves["U"].items():
        try:
            k = str(consistency.choose_groups(u, flags.wanted))
        except InputError:
            k = "none"
        trained = curves["CE"].get(factor)
        last = len(u) - 1 if trained is None else len(trained) - 1
        others = [curves[name].get(factor) for name in ("CE", "B.5")]
        cells = ["" if of is None else f"{of[last]:.2f}" for of in others]
        body.append([f"x{factor}", k, last, f"{u[last]:.2f}", *cells])
    head = ["s", f"least k with U <= {flags.wanted:g}", "k of the encoder"]
    head += ["U there", "CE there", "(B.5) there"]
    caption = (
        f"prior {flags.prior}, {flags.codes} codes, {flags.draws} images each; CE and"
        f" (B.5) over {count} images; of 255"
    )
    return f"{caption}\n\n{markdown(head, body)}"


def _draw(path, curves, flags) -> None:
    factors = list(curves["CE"])
    with chart(path, 1 + len(factors), flags.prior) as (first, *others):
        for factor, values in curves["U"].items():
            first.plot(values, ".-", markersize=3, label=f"s = {factor}")
        label(first, "unpredictability", "groups k", "U (of 255)")
        for ax, factor in zip(others, factors, strict=True):
            for name, of in curves.items():
                ax.plot(of[factor], ".-", markersize=3, label=name)
            label(ax, f"x{factor}", "groups k", "root mean square (of 255)")
