"""Restoring arrays as the command line restores files, for engines that call it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxrestore.cli.chosen import Chosen
from jaxrestore.cli.side_by_side import SideBySide
from jaxrestore.cli.solve import blur_is_known
from jaxrestore.cli.solve_config import schema
from jaxrestore.cli.task import Task
from jaxrestore.cli.trust import Told
from jaxrestore.configfiles import load_config, merged
from jaxrestore.data.images import LoadedImage
from jaxrestore.errors import InputError
from jaxrestore.settings import bind, count

_NAME = "image"  # of all: what is drawn does not depend on the order
_FARTHEST = 8  # noise of the largest level, 1, stays below; floats of 0..255 do not


class Restorer:
    """A config with its weights loaded: `Restorer("denoise")(images)`.

    Loads once; each size compiles once, whatever the call. Images of a call that share
    a program are solved side by side, as the setting `batch` says: on accelerators as
    many as memory holds. A class to be constructed in each worker of an engine, such as
    `map_batches` of Ray Data takes.

    Args:
        config: name or path of a config of solve.
        settings: dotted name -> value, such as {"noise_std": 8 / 255}.
        sizes: (h, w) of images to come; they share at most `programs` programs. Others
            have their own, and so have all where there are not more than that. None:
            all have their own.
        programs: see there.

    Raises:
        InputError: a setting or a model that cannot be used, or a blur that is not
            told.
    """

    def __init__(
        self,
        config: str,
        settings: Mapping[str, Any] | None = None,
        *,
        sizes: Sequence[tuple[int, int]] | None = None,
        programs: int = 6,
    ):
        programs = count()(programs, "programs")
        values = merged(load_config(config, "solve"), settings or {})
        self._config = bind(schema(values), values)
        if not blur_is_known(self._config, config, settings or {}):
            raise InputError(
                "settings: kernel is missing, and the blur of a photograph is not made"
                ' up; give {"kernel.kind": "file", "kernel.path": FILE}, or the kind'
                ' "auto" to estimate it, or another with its parameters'
            )
        if self._config.stream is True:
            raise InputError(
                "settings: stream=True is for files of the command line, arrays are in"
                " memory already; leave it out"
            )
        self._chosen = Chosen(self._config)
        self._task = Task(self._config, False, self._chosen.prior)
        self._restore = SideBySide(self._chosen, self._config, "images")
        self._canvases: list[tuple[int, int]] = []
        if sizes and self._chosen.shares_canvases:
            shapes = [(height, width, 3) for height, width in sizes]
            stride = self._chosen.stride
            self._canvases = self._task.canvases(shapes, programs, stride)

    def __call__(self, images: Sequence[Any]) -> list[np.ndarray]:
        """The restored images.

        Args:
            images: (h, w, C) observations, floats in [0, 1], which noise may leave,
                or uint8, C = 1 or 3.

        Returns:
            (H, W, C) float32 each, not clipped. As the command line does, with
            `check` what does not explain its observation comes back as the starting
            image.

        Raises:
            InputError: an image that cannot be used, or a solver that diverges.
        """
        problems = []
        for image in images:
            loaded = LoadedImage(_checked(np.asarray(image)))
            problem = self._task.problem(_NAME, loaded)
            problems.append(self._chosen.placed(problem, self._canvases))
        found = self._restore(problems, kept=_image)
        for end in found:
            if isinstance(end, InputError):
                raise end
        return found


def _image(told: Told) -> np.ndarray:
    return told.problem.crop(told.outcome.image)


def _checked(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype == np.uint8:
        pixels = pixels.astype(np.float32) / 255
    good = pixels.ndim == 3 and pixels.shape[-1] in (1, 3) and pixels.dtype.kind == "f"
    if not good or not np.isfinite(pixels).all():
        raise InputError(
            f"images: one has shape {pixels.shape} and dtype {pixels.dtype}, expected"
            " (H, W, 1) or (H, W, 3), finite floats in [0, 1] or uint8"
        )
    if np.abs(pixels).max(initial=0) > _FARTHEST:
        raise InputError(
            f"images: one has values from {pixels.min():.4g} to {pixels.max():.4g},"
            " expected floats in [0, 1] (noise may leave them) or uint8; divide by 255"
        )
    return pixels.astype(np.float32)
