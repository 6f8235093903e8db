"""How many latent groups a small image decides (thesis, figure 6.2).

  python -m jaxrestore.experiments consistency --images=DIR --out=DIR

U_k^s is how far images with the same first k groups are from one another when seen s
times smaller, drawn from the prior: it tells, before any encoder is trained, how
consistent samples for a small image will be if an encoder predicts k groups. Beside
it, on --images, CE(k): how far samples are from the small image that they were made
for, with each encoder of --encoders, and (B.5) with the prior's own encoder in its
place, which Proposition 6.2 says are the same for a perfect VAE and encoder. All are
root mean squares, of 255; nothing is projected. Images are draws of p(x | z), pixel
noise included, as in the thesis; --means takes decoder means instead. The table names
the least k with U_k^s of at most --wanted.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from jaxrestore.errors import InputError
from jaxrestore.evaluation.inputs import encoders_for, prior_and_images
from jaxrestore.evaluation.pictures import Panel, curves
from jaxrestore.evaluation.tables import markdown
from jaxrestore.experiments.settings import Config as BaseConfig
from jaxrestore.experiments.settings import configured
from jaxrestore.operators import Downsample
from jaxrestore.priors import VDVAE
from jaxrestore.priors.hvae import consistency
from jaxrestore.settings import count, flag, number, sequence, setting, text

QUICK = {"max_images": 1, "codes": 1, "draws": 2, "factors": (2,)}
BUNDLED = tuple(f"cvdvae-faces64-x{factor}" for factor in (2, 4, 8))


@configured(prior="vdvae-faces64", max_images=50)
class Config(BaseConfig):
    encoders: tuple = setting(BUNDLED, sequence(text), "names or files, or none")
    factors: tuple = setting((2, 4, 8), sequence(count()), "s, beside 1, of U")
    codes: int = setting(50, count(), "draws of z, for U")
    draws: int = setting(5, count(2), "images for each z or y")
    means: bool = setting(False, flag, "decoder means in place of draws")
    wanted: float = setting(2.0, number(0, above=True), "of 255")


def run(config: Config, report) -> None:
    """Measure, draw, tabulate."""
    prior, images = prior_and_images(config)
    if not isinstance(prior, VDVAE):
        raise InputError(f"--prior={config.prior}: expected a VDVAE")
    encoders = encoders_for(prior, config.encoders)
    operators = {f: Downsample.bicubic(f) for f in (1, *config.factors)}
    operators |= {factor: e.config.operator() for factor, e in encoders.items()}
    code_key, *keys = jax.random.split(jax.random.key(config.seed), 3)
    codes = jax.random.split(code_key, config.codes)
    down = tuple(operators.values())
    bar = tqdm(codes, desc="U", disable=None)
    how = config.draws, not config.means
    of_prior = np.mean([_unpredictable(prior, down, k, *how) for k in bar], 0)
    found = {"U": dict(zip(operators, of_prior, strict=True))}
    for (name, measure), key in zip(_MEASURES.items(), keys, strict=True):
        found[name] = {}
        for factor, encoder in encoders.items():
            bar = tqdm(images.values(), desc=f"{name}, x{factor}", disable=None)
            own = [jax.random.fold_in(key, i) for i in range(len(images))]
            values = [
                measure(prior, encoder, jnp.asarray(image), k, *how)
                for image, k in zip(bar, own, strict=True)
            ]
            found[name][factor] = np.mean(values, 0)
    rows = [
        {"factor": factor, "k": k, "quantity": name, "value": float(value)}
        for name, of in found.items()
        for factor, values in of.items()
        for k, value in enumerate(values)
    ]
    report.rows(rows)
    axes, shown = ("k", "value"), [row for row in rows if row["quantity"] == "U"]
    labels = "factor", "unpredictability", "U (of 255)", "groups k", "s = {}", ".-"
    panels = [Panel(shown, *axes, *labels)]
    for factor in encoders:
        shown = [row for row in rows if row["factor"] == factor]
        labels = "quantity", f"x{factor}", "root mean square (of 255)", "groups k"
        panels.append(Panel(shown, *axes, *labels, style=".-"))
    curves(report.picture, config.prior, *panels)
    kind = "decoder means" if config.means else "draws"
    caption = (
        f"prior {config.prior}, {kind}, {config.codes} codes, {config.draws} images"
        f" each; CE and (B.5) over {len(images)} images; of 255"
    )
    settings = {"groups": prior.num_groups}
    report.table(caption, _table(found, config.wanted), settings)


@partial(jax.jit, static_argnums=(3, 4))
def _unpredictable(prior, operators, key, draws: int, pixels: bool):
    return consistency.unpredictability(prior, operators, key, draws, pixels)


@partial(jax.jit, static_argnums=(4, 5))
def _perfect(prior, encoder, image, key, draws: int, pixels: bool):
    operator = encoder.config.operator()
    return consistency.reconstruction_error(prior, operator, image, key, draws, pixels)


_MEASURES = {
    "CE": jax.jit(consistency.consistency_error, static_argnums=(4, 5)),
    "B.5": _perfect,
}


def _table(found, wanted: float) -> str:
    body = []
    for factor, u in found["U"].items():
        try:
            k = str(consistency.choose_groups(u, wanted))
        except InputError:
            k = "none"
        last = len(found["CE"].get(factor, u)) - 1
        there = [of.get(factor) for of in found.values()]
        cells = ["" if of is None else f"{of[last]:.2f}" for of in there]
        body.append([f"x{factor}", k, last, *cells])
    head = ["s", f"least k with U <= {wanted:g}", "k of the encoder"]
    return markdown([*head, "U there", "CE there", "(B.5) there"], body)
