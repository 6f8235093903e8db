"""The solver of an image that stays on disk, as `SideBySide` takes one."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxrestore.cli.chosen import Chosen
from jaxrestore.cli.outcome import Outcome
from jaxrestore.cli.task import Problem
from jaxrestore.data.large import LargeImage, TIFFTarget, psnr
from jaxrestore.data.stored import Repeated, Stored, bands, copy, sampled
from jaxrestore.errors import InputError
from jaxrestore.likelihoods import GaussianNoise, Observation
from jaxrestore.operators import Identity
from jaxrestore.solvers import PnPHVAE, Restoration
from jaxrestore.solvers.restore import Progress
from jaxrestore.solvers.streamed import restore_streamed, why_not


def tiled(chosen: Chosen, problem: Problem, shape: Any) -> tuple[PnPHVAE, list[str]]:
    """As `Chosen.method`, by tiles of an image (H, W, C).

    Raises:
        InputError: the settings need the whole image.
    """
    method, notes = chosen.method(problem)
    if isinstance(method, PnPHVAE):
        if method.other_views:
            notes = [*notes, "one view of the image alone: solver.averaged=false"]
        method = replace(method, prior=chosen.tiled(shape), averaged=False)
    if reason := why_not(method):
        raise InputError(f"--stream: {reason}; take --stream=false")
    return method, notes


class Streamed:
    """Stands in for `Chosen`: runs on the whole image, judged by a sample of it.

    The problems that it is given, and the images that it returns, are `sampled`.

    Args:
        chosen: the solver.
        source: the file's image.
        observed: y, of its size.
        clean: what the result is scored against, or None.
        scratch: folder for the iterates.
        path: of the result, a TIFF.

    Attributes:
        kind, remedy: of the solver.
        source: see above.
        target: the restored image.
    """

    target: TIFFTarget

    def __init__(
        self,
        chosen: Chosen,
        source: LargeImage,
        observed: Any,
        clean: Any,
        scratch: Path,
        path: Path,
    ):
        self.kind, self.remedy = chosen.kind, chosen.remedy
        self._chosen, self.source, self._path = chosen, source, path
        self._clean, self._scratch = clean, scratch
        self._observed = Repeated(observed, chosen.prior.config.image_channels)

    def method(self, problem: Problem) -> tuple[PnPHVAE, list[str]]:
        """The solver by tiles, with its settings, and notes on them."""
        return tiled(self._chosen, problem, self._observed.shape)

    def run(
        self, method: Any, problem: Problem, progress: Progress | None = None
    ) -> Outcome:
        """Restores the image into the file; the outcome's image is a sample."""

        def restored(method, _, *, stopping, max_steps, progress, **__) -> Restoration:
            shape = self._observed.shape
            names = "even", "odd"
            x = [Stored(self._scratch / n, shape, np.float32) for n in names]
            self._renew()
            how = {"stopping": stopping, "max_steps": max_steps, "progress": progress}
            places = self._observed, problem.noise_std, (x[0], x[1]), self.target
            return self._shown(restore_streamed(method, *places, **how))

        return self._chosen.run(method, problem, progress, restored)

    def savings(self, problem: Problem) -> list[str]:
        """As `Chosen.savings`."""
        return ["a smaller --tile"]

    def give_back(self) -> None:
        """Writes the observation in the place of the result."""
        self._renew()
        copy(self._observed, self.target)

    def _renew(self) -> None:
        channels = self._observed.shape[2]
        self.target = TIFFTarget(self._path, self.source, channels, self._clean)

    def _shown(self, result: Restoration) -> Restoration:
        """The result with samples, and what is to be shown in the file."""
        if self._chosen.shown(result) is not self.target:
            self._renew()
            copy(result.image, self.target)
        sample = sampled(self.target)
        return replace(result, image=sample, mean=sample)


def noisy_image(
    clean: LargeImage, level: float, key: jax.Array, path: Path
) -> tuple[Stored, float]:
    """The image with noise, each band with a key of its own, and its PSNR."""
    noisy, squares = Stored(path, clean.shape, np.float32), 0.0
    noise = GaussianNoise(np.float32(level))
    draw = jax.jit(partial(Observation.simulate, operator=Identity(), noise=noise))
    for number, band in enumerate(bands(clean.shape[0])):
        x = clean[band]
        y = np.asarray(draw(jax.random.fold_in(key, number), x).y)
        noisy[band] = y
        squares += float(np.square(np.clip(y, 0, 1) - x, dtype=np.float64).sum())
    return noisy, psnr(squares, clean.shape)


def seen_as(problem: Problem, sample: np.ndarray) -> Problem:
    """The problem with another observation."""
    channels = problem.full.shape[2]
    full = np.repeat(sample, channels // sample.shape[2], -1)
    return replace(problem, observed=sample, full=full)
