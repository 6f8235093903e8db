"""solve.py: restore a photograph or a folder of them with PnP-HVAE."""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxrestore.cli import solve_flags
from jaxrestore.cli.entry import keep_compiled_programs, run_command
from jaxrestore.data.files import make_folder
from jaxrestore.data.images import LoadedImage, list_images, read_image
from jaxrestore.errors import InputError

SAMPLE = "cat"
SOME_FAILED = 1


def main(argv: Sequence[str]) -> int:
    """Runs the command line.

    Args:
        argv: Program name, then the arguments.

    Returns:
        0 when all images are restored, 1 when some of a folder are not, 2 when the
        command cannot be carried out (one line on standard error says why).
    """
    return run_command(_solve, argv)


@dataclasses.dataclass(frozen=True)
class _Item:
    """An image to restore; `path` None is the sample."""

    name: str
    path: Path | None

    def load(self) -> LoadedImage:
        return sample_image() if self.path is None else read_image(self.path)

    def sha256(self) -> str:
        if self.path is None:
            return "sample"
        try:
            return hashlib.sha256(self.path.read_bytes()).hexdigest()
        except OSError as error:
            raise InputError(
                f"--input={self.path}: cannot be read ({error.strerror}), expected an"
                " image file"
            ) from error


def sample_image() -> LoadedImage:
    """A 256x256 photograph of a cat, which scikit-image ships (public domain)."""
    from skimage import data

    pixels = np.asarray(data.chelsea()[20:276, 90:346], np.float32) / 255
    return LoadedImage(pixels)


def _solve(argv: Sequence[str]) -> int:
    options = solve_flags.parse(argv)
    if options is None:
        return 0
    items = _items(options.input)
    # Heavy imports only now: help and mistakes in flags are answered at once.
    from jaxrestore.cli.batch import Batch
    from jaxrestore.cli.task import Task
    from jaxrestore.priors import LowResEncoder, load_prior

    keep_compiled_programs()
    prior = load_prior(options.config.prior)
    if isinstance(prior, LowResEncoder):
        raise InputError(
            f"--prior={options.config.prior}: is a low-resolution encoder, expected the"
            " prior that it was trained for; give the encoder as --config.encoder, see"
            " configs/solve/diverse_sr_x4.py"
        )
    task = Task(options.config, options.simulate, prior.config.image_channels)
    if len(items) == 1:
        # A mistake about a single image is known before anything is written.
        task.problem(items[0].name, items[0].load())
    batch = Batch(options, task, prior)
    make_folder(options.output, "--output")
    failures = batch.run(items)
    if failures and len(items) == 1:
        raise InputError(next(iter(failures.values())))
    return SOME_FAILED if failures else 0


def _items(path: Path | None) -> list[_Item]:
    """The images to restore, with names that are theirs alone."""
    if path is None:
        return [_Item(SAMPLE, None)]
    if not path.is_dir():
        return [_Item(path.stem, path)]
    files = list_images(path)
    stems = [file.stem for file in files]
    return [
        _Item(file.stem if stems.count(file.stem) == 1 else file.name, file)
        for file in files
    ]
