"""The command line of explore: one labelled sheet for each question."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxrestore.cli.entry import keep_compiled_programs
from jaxrestore.cli.flags import CommandLine
from jaxrestore.errors import InputError
from jaxrestore.settings import choice, count, number, sequence, setting, text

_USAGE = """\
Pictures of what a hierarchical VAE or a flow knows.

  {0} sample      --temperature=0.6,0.8,1
  {0} reconstruct --input=FOLDER --temperature=0.6,0.8,1
  {0} conditional --input=FILE --groups=2,4,8
  {0} interpolate --input=FILE --second=FILE --groups=6
  {0} kl          --input=FOLDER

sample: draws from the prior. reconstruct: input and decoder mean. conditional: draws of
p(x | z_<k) with z_<k from the input, and their pixelwise standard deviation (five times
enlarged). interpolate: p(x | mixed z_<k) between two images. kl: nats that each latent
group spends on the input (of a flow: -log p(z_l | z_<l)), as a bar chart and a CSV file
beside it.
"""
_QUESTIONS = ("sample", "reconstruct", "conditional", "interpolate", "kl")


@dataclass(frozen=True)
class ExploreFlags:
    """The plain flags."""

    what: str = setting("sample", choice(*_QUESTIONS), "see above; needs no --what=")
    prior: str = setting("vdvae-faces64", text, "bundled name or file")
    input: str = setting("", text, "image or folder")
    second: str = setting("", text, "interpolate: the other image")
    output: str = setting("", text, "PNG file to write; default: WHAT.png")
    temperature: Any = setting(
        None, sequence(number(0, 1, above=True)), "comma-separated; default: as fits"
    )
    groups: Any = setting(
        None, sequence(count(0)), "comma-separated k, the latent groups that are kept"
    )
    size: int = setting(64, count(), "sample: side, where any size is possible")
    seed: int = setting(0, count(0), "of all draws")
    count: int = setting(8, count(), "images in a row")


@dataclass(frozen=True)
class _NoSettings:
    """There are plain flags alone."""


def main(argv: Sequence[str]) -> int:
    """Draws the sheet that the arguments ask for.

    Args:
        argv: program name, then the arguments.

    Returns:
        Exit code 0.

    Raises:
        InputError: the arguments, the prior or the images cannot be used.
    """
    program, *rest = argv
    if rest and not rest[0].startswith("-"):
        rest[0] = f"--what={rest[0]}"
    usage = _USAGE.format(program)
    line = CommandLine(program, usage, ExploreFlags, lambda values: _NoSettings)
    parsed = line.parse([program, *rest])
    if parsed is None:
        return 0
    _explore(parsed.flags)
    return 0


def _explore(flags: ExploreFlags) -> None:
    import jax

    from jaxrestore.priors import Glow, load_prior
    from jaxrestore.priors.hvae.base import HierarchicalVAE

    keep_compiled_programs()
    output = Path(flags.output or f"{flags.what}.png")
    if output.suffix.lower() != ".png":
        raise InputError(f"--output={output}: expected a name ending in .png")
    prior = load_prior(flags.prior)
    if not isinstance(prior, HierarchicalVAE | Glow):
        raise InputError(
            f"--prior={flags.prior}: is a {type(prior).__name__}, expected a"
            " hierarchical VAE such as vdvae-faces64, or a Glow"
        )
    if isinstance(prior, Glow) and flags.what == "reconstruct":
        raise InputError(
            "--what=reconstruct: a flow gives every image back as it is; expected"
            " sample, conditional, interpolate or kl"
        )
    key = jax.random.key(flags.seed)
    if flags.what == "kl":
        _kl(prior, flags, key, output)
    else:
        from jaxrestore.report.sheets import sheet

        draws = (_sample, _reconstruct, _conditional, _interpolate)
        draw: Any = draws[_QUESTIONS.index(flags.what)]
        title = f"{flags.prior}, {flags.what}, seed {flags.seed}"
        sheet(output, *draw(prior, flags, key), title=title)
    print(f"wrote {output}")


# Each question: (prior, flags, key) -> rows of images, row labels, column labels.


def _sample(prior, flags, key):
    import jax

    side = getattr(prior.config, "image_size", flags.size)
    temperatures = flags.temperature or (0.6, 0.8, 1.0)
    keys = jax.random.split(key, flags.count)
    draw = jax.jit(
        jax.vmap(lambda p, k, t: p.sample(k, (side, side), t), (None, 0, None))
    )
    rows = [np.asarray(draw(prior, keys, t)) for t in temperatures]
    return rows, [f"tau {t:g}" for t in temperatures], ()


def _reconstruct(prior, flags, key):
    import jax

    images = _images(prior, flags)
    temperatures = flags.temperature or (0.6, 0.8, 1.0)
    solve = jax.jit(lambda p, x, t: p.reconstruct(x, t).mean)
    rows = [[np.asarray(solve(prior, x, t)) for x in images] for t in temperatures]
    return [images, *rows], ["input", *(f"tau {t:g}" for t in temperatures)], ()


def _conditional(prior, flags, key):
    import jax

    image = _images(prior, flags)[0]
    last, tau = prior.num_groups, _temperature(flags, 1.0)
    default = sorted({round(last * share) for share in (0.1, 0.25, 0.5, 0.75, 0.9)})
    rows, shape = [], image.shape[:2]
    encode_key, draw_key = jax.random.split(key)
    if hasattr(prior, "encoding"):  # a flow's latents are no draw
        latents = jax.jit(lambda p, x: p.encode(x))(prior, image)
    else:
        latents = jax.jit(lambda p, x: p.encode(x, encode_key))(prior, image)
    keys = jax.random.split(draw_key, max(flags.count, 2))
    groups = _groups(prior, flags, default)
    for k in groups:
        draw = jax.jit(
            jax.vmap(lambda p, z, k: p.conditional(z, k, shape, tau), (None, None, 0))
        )
        draws = np.asarray(draw(prior, latents[:k], keys))
        spread = draws.std(0).mean(-1, keepdims=True)
        rows.append([image, *draws, 5 * spread])
    columns = ["input", *[""] * len(keys), "5 x std"]
    return rows, [f"k = {k} of {last}" for k in groups], columns


def _interpolate(prior, flags, key):
    import jax

    first = _images(prior, flags)[0]
    second = _images(prior, flags, "second")[0]
    if first.shape != second.shape:
        raise InputError(
            f"--second={flags.second}: {second.shape[:2]} pixels, expected the first"
            f" image's {first.shape[:2]}; crop or resize one of them"
        )
    tau = _temperature(flags, 0.8)
    groups = _groups(prior, flags, [prior.num_groups // 2, prior.num_groups])
    rows = []
    for k in groups:
        between = jax.jit(
            lambda p, a, b, k=k: p.interpolate(a, b, key, k, flags.count, tau)
        )
        rows.append([first, *np.asarray(between(prior, first, second)), second])
    return rows, [f"k = {k}" for k in groups], ()


def _kl(prior, flags, key, output: Path) -> None:
    import jax

    from jaxrestore.data.files import atomic_path
    from jaxrestore.report.charts import bars

    images = _images(prior, flags)
    keys = jax.random.split(key, len(images))
    spent = jax.jit(_spent)
    terms = [spent(prior, x, k) for x, k in zip(images, keys, strict=True)]
    kl, each, sizes = zip(*terms, strict=True)
    nats, bits = np.mean(np.asarray(kl), 0), float(np.mean(each))
    title = f"{len(images)} images, {bits:.3f} bits per dimension in all"
    bars(output, nats, "latent group, coarsest first", "KL (nats)", title)
    elements = np.asarray(sizes[0], int)
    lines = [
        f"{i},{n},{kl:.6g}"
        for i, (n, kl) in enumerate(zip(elements, nats, strict=True))
    ]
    with atomic_path(output.with_suffix(".csv")) as temporary:
        temporary.write_text("\n".join(["group,elements,kl_nats", *lines, ""]))
    print(title)


def _spent(prior, image, key):
    """Nats of each latent group, bits per dimension in all, elements of each group."""
    if not hasattr(prior, "encoding"):
        terms = prior.elbo(image, key)
        return terms.kl, terms.bits_per_dim, terms.elements
    from jaxrestore.training.recipes.glow import dequantised

    image = dequantised(image, key, 8)
    found = prior.encoding(image)
    sizes = np.array([z.size for z in found.raw])
    return -found.log_prior, prior.bits_per_dim(image), sizes


def _temperature(flags, default: float) -> float:
    given = flags.temperature or (default,)
    if len(given) > 1:
        raise InputError(
            f"--temperature={','.join(map(str, given))}: {flags.what} takes one"
            " temperature"
        )
    return given[0]


def _groups(prior, flags, default: Sequence[int]) -> Sequence[int]:
    groups = default if flags.groups is None else flags.groups
    if max(groups) > prior.num_groups:
        raise InputError(
            f"--groups={','.join(map(str, groups))}: expected whole numbers from 0 to"
            f" {prior.num_groups}, comma-separated"
        )
    return groups


def _images(prior, flags, argument: str = "input") -> list[np.ndarray]:
    """The first `count` images, with the channels and the size that the prior takes."""
    from jaxrestore.data.fitting import fit
    from jaxrestore.data.images import list_images, read_image

    path, argument = getattr(flags, argument), f"--{argument}"
    if not path:
        raise InputError(f"{argument}: missing, expected an image; give a file")
    folder = Path(path).is_dir()
    files = list_images(path, argument)[: flags.count] if folder else [Path(path)]
    images = [fit(read_image(file, argument).pixels, prior.config) for file in files]
    for file, image in zip(files, images, strict=True):
        if image.shape != images[0].shape:
            raise InputError(
                f"{argument}={file}: {image.shape[0]}x{image.shape[1]} pixels,"
                f" {files[0].name} has {images[0].shape[0]}x{images[0].shape[1]};"
                " expected images of one size on a sheet"
            )
    return images
