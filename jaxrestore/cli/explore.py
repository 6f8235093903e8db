"""The command line of jaxrestore.explore: one labelled sheet for each question."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxrestore.cli.entry import keep_compiled_programs
from jaxrestore.cli.levels import parse_number
from jaxrestore.errors import InputError

_HELP = """\
Pictures of what a hierarchical VAE knows.

  python -m jaxrestore.explore sample      --temperature=0.6,0.8,1
  python -m jaxrestore.explore reconstruct --input=FOLDER --temperature=0.6,0.8,1
  python -m jaxrestore.explore conditional --input=FILE --groups=2,4,8
  python -m jaxrestore.explore interpolate --input=FILE --second=FILE --groups=6
  python -m jaxrestore.explore kl          --input=FOLDER

sample: draws from the prior. reconstruct: input and decoder mean. conditional: draws of
p(x | z_<k) with z_<k from the input, and their pixelwise standard deviation (five times
enlarged). interpolate: p(x | mixed z_<k) between two images. kl: nats that each latent
group spends on the input, as a bar chart and a CSV file beside it.
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise InputError(f"{message}; see python -m jaxrestore.explore --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m jaxrestore.explore",
        description=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("what", choices=sorted(_COMMANDS), help="see above")
    add("--prior", default="vdvae-faces64", help="bundled name or file")
    add("--input", help="image or folder")
    add("--second", help="interpolate: the other image")
    add("--output", help="PNG file to write; default: WHAT.png")
    add("--temperature", help="comma-separated, in (0, 1]; default: as fits")
    add("--groups", help="comma-separated k, the latent groups that are kept")
    add("--count", type=int, default=8, help="images in a row")
    add("--size", type=int, default=64, help="sample: side, where any size is possible")
    add("--seed", type=int, default=0)
    return parser


def main(argv: Sequence[str]) -> int:
    """Draws the sheet that the arguments ask for.

    Args:
        argv: program name, then the arguments.

    Returns:
        Exit code 0.

    Raises:
        InputError: the arguments, the prior or the images cannot be used.
    """
    flags = _parser().parse_args(list(argv[1:]))
    if flags.count < 1:
        raise InputError(f"--count={flags.count}: expected at least 1")
    if flags.size < 1:
        raise InputError(f"--size={flags.size}: expected at least 1")
    if not 0 <= flags.seed < 2**31:
        raise InputError(f"--seed={flags.seed}: expected a number in [0, 2^31)")
    import jax

    from jaxrestore.priors import load_prior
    from jaxrestore.priors.hvae.base import HierarchicalVAE

    keep_compiled_programs()
    flags.output = Path(flags.output or f"{flags.what}.png")
    if flags.output.suffix.lower() != ".png":
        raise InputError(f"--output={flags.output}: expected a name ending in .png")
    prior = load_prior(flags.prior)
    if not isinstance(prior, HierarchicalVAE):
        raise InputError(
            f"--prior={flags.prior}: is a {type(prior).__name__}, expected a"
            " hierarchical VAE such as vdvae-faces64"
        )
    _COMMANDS[flags.what](prior, flags, jax.random.key(flags.seed))
    print(f"wrote {flags.output}")
    return 0


def _sample(prior, flags, key) -> None:
    import jax

    side = getattr(prior.config, "image_size", flags.size)
    temperatures = _temperatures(flags, (0.6, 0.8, 1.0))
    keys = jax.random.split(key, flags.count)
    draw = jax.jit(
        jax.vmap(lambda p, k, t: p.sample(k, (side, side), t), (None, 0, None))
    )
    rows = [np.asarray(draw(prior, keys, t)) for t in temperatures]
    _sheet(flags, rows, [f"tau {t:g}" for t in temperatures])


def _reconstruct(prior, flags, key) -> None:
    import jax

    images = _images(prior, flags)
    temperatures = _temperatures(flags, (0.6, 0.8, 1.0))
    solve = jax.jit(lambda p, x, t: p.reconstruct(x, t).mean)
    rows = [[np.asarray(solve(prior, x, t)) for x in images] for t in temperatures]
    labels = ["input", *(f"tau {t:g}" for t in temperatures)]
    _sheet(flags, [images, *rows], labels)


def _conditional(prior, flags, key) -> None:
    import jax

    image = _images(prior, flags)[0]
    last = prior.num_groups
    default = sorted({round(last * share) for share in (0.1, 0.25, 0.5, 0.75, 0.9)})
    (tau,) = _temperatures(flags, (1.0,))
    rows, shape = [], image.shape[:2]
    encode_key, draw_key = jax.random.split(key)
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
    _sheet(flags, rows, [f"k = {k} of {last}" for k in groups], columns)


def _interpolate(prior, flags, key) -> None:
    import jax

    if not flags.second:
        raise InputError("--second: missing, expected the other image; give a file")
    first = _images(prior, flags)[0]
    second = _images(prior, flags, "second")[0]
    if first.shape != second.shape:
        raise InputError(
            f"--second={flags.second}: {second.shape[:2]} pixels, expected the first"
            f" image's {first.shape[:2]}; crop or resize one of them"
        )
    (tau,) = _temperatures(flags, (0.8,))
    groups = _groups(prior, flags, [prior.num_groups // 2, prior.num_groups])
    rows = []
    for k in groups:
        between = jax.jit(
            lambda p, a, b, k=k: p.interpolate(a, b, key, k, flags.count, tau)
        )
        rows.append([first, *np.asarray(between(prior, first, second)), second])
    _sheet(flags, rows, [f"k = {k}" for k in groups])


def _kl(prior, flags, key) -> None:
    import jax

    from jaxrestore.data.files import atomic_path
    from jaxrestore.report.charts import bars

    images = _images(prior, flags)
    keys = jax.random.split(key, len(images))
    elbo = jax.jit(lambda p, x, k: p.elbo(x, k))
    terms = [elbo(prior, x, k) for x, k in zip(images, keys, strict=True)]
    nats = np.mean([np.asarray(t.kl) for t in terms], 0)
    bits = float(np.mean([t.bits_per_dim for t in terms]))
    title = f"{len(images)} images, {bits:.3f} bits per dimension in all"
    bars(flags.output, nats, "latent group, coarsest first", "KL (nats)", title)
    elements = np.asarray(terms[0].elements, int)
    lines = [
        f"{i},{n},{kl:.6g}"
        for i, (n, kl) in enumerate(zip(elements, nats, strict=True))
    ]
    with atomic_path(flags.output.with_suffix(".csv")) as temporary:
        temporary.write_text("\n".join(["group,elements,kl_nats", *lines, ""]))
    print(title)


def _sheet(flags, rows, labels, columns: Sequence[str] = ()) -> None:
    from jaxrestore.report.sheets import sheet

    title = f"{flags.prior}, {flags.what}, seed {flags.seed}"
    sheet(flags.output, rows, labels, columns, title)


def _temperatures(flags, default: Sequence[float]) -> list[float]:
    if not flags.temperature:
        return list(default)
    words = flags.temperature.split(",")
    values = [parse_number(word, "--temperature") for word in words]
    if not all(0 < value <= 1 for value in values):
        raise InputError(
            f"--temperature={flags.temperature}: expected numbers in (0, 1]"
        )
    if len(default) == 1 < len(values):
        raise InputError(
            f"--temperature={flags.temperature}: {flags.what} takes one temperature"
        )
    return values


def _groups(prior, flags, default: Sequence[int]) -> list[int]:
    words = flags.groups.split(",") if flags.groups else default
    try:
        groups = [int(word) for word in words]
    except ValueError:
        groups = [-1]
    if not all(0 <= k <= prior.num_groups for k in groups):
        raise InputError(
            f"--groups={flags.groups}: expected whole numbers from 0 to"
            f" {prior.num_groups}, comma-separated"
        )
    return groups


def _images(prior, flags, argument: str = "input") -> list[np.ndarray]:
    """The first `count` images, with the channels and the size that the prior takes."""
    from jaxrestore.data.fitting import fit
    from jaxrestore.data.images import list_images, read_image

    path = getattr(flags, argument)
    if not path:
        raise InputError(f"--{argument}: missing, expected an image; give a file")
    folder = Path(path).is_dir()
    files = list_images(path)[: flags.count] if folder else [Path(path)]
    read = [read_image(file, f"--{argument}").pixels for file in files]
    images = [fit(pixels, prior.config) for pixels in read]
    for file, image in zip(files, images, strict=True):
        if image.shape != images[0].shape:
            raise InputError(
                f"--{argument}={file}: {image.shape[0]}x{image.shape[1]} pixels,"
                f" {files[0].name} has {images[0].shape[0]}x{images[0].shape[1]};"
                " expected images of one size on a sheet"
            )
    return images


_COMMANDS = {
    "sample": _sample,
    "reconstruct": _reconstruct,
    "conditional": _conditional,
    "interpolate": _interpolate,
    "kl": _kl,
}
