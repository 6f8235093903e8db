"""Images that memory does not hold: restored from disk to disk, window by window."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import psutil

from jaxrestore.cli import watch
from jaxrestore.cli.chosen import Chosen, Outcome
from jaxrestore.cli.forecast import Needs, check_limits, forecast
from jaxrestore.cli.items import Item
from jaxrestore.cli.solve_config import AUTO, SolveConfig
from jaxrestore.cli.task import Problem, Task
from jaxrestore.cli.tiling import LARGE, free_memory
from jaxrestore.cli.trust import MISMATCH, restore_told, restore_trusted
from jaxrestore.data.files import atomic_path, make_folder
from jaxrestore.data.images import LoadedImage, upright, write_png
from jaxrestore.data.large import LargeImage, TIFFTarget, open_large, psnr
from jaxrestore.data.stored import Stored, bands, copy, middle, reduced, sampled
from jaxrestore.errors import InputError
from jaxrestore.likelihoods import GaussianNoise, Observation
from jaxrestore.operators import Identity
from jaxrestore.report.sheets import Panel, comparison
from jaxrestore.solvers import PnPHVAE, Restoration
from jaxrestore.solvers.restore import Progress
from jaxrestore.solvers.streamed import memory, restore_streamed, why_not

# Bytes that a process holds for each pixel of an image that it has whole, and the share
# of the free memory that they may take.
_WHOLE, _SHARE = 220, 0.5
_OVERVIEW = 1024
_SCRATCH = ".windows"


class Streaming:
    """Restores images from disk to disk.

    Args:
        config: the settings.
        chosen: the solver that they name.
        output: folder for the results.
        simulate: the images are clean and are degraded first.
        figures: write comparisons, too.

    Raises:
        InputError: it is asked for, and the settings need whole images.
    """

    def __init__(
        self,
        config: SolveConfig,
        chosen: Chosen,
        output: Path,
        simulate: bool,
        figures: bool,
    ):
        self._config, self._chosen, self._output = config, chosen, output
        self._simulate, self._figures = simulate, figures
        self._reason = _reason(config, chosen, simulate)
        if self._reason and config.stream is True:
            raise InputError(f"--stream=true: {self._reason}; leave it out")

    def takes(self, item: Item) -> bool:
        """Whether an image is restored this way.

        Raises:
            InputError: it is asked for, and the image is of no use.
        """
        jpeg = item.path and item.path.suffix.lower() in (".jpg", ".jpeg")
        if self._config.stream is True:
            if jpeg and not self._simulate:
                raise InputError(
                    f"--stream=true: {item.path} is a JPEG file, of which all that was"
                    " rounded is read at once; save it as a TIFF, or leave it out"
                )
            return True
        if self._reason or not self._config.stream or (jpeg and not self._simulate):
            return False
        pixels = np.prod(item.shape() or (0,), dtype=float) / 3
        free = min(free_memory(), psutil.virtual_memory().available)
        return pixels >= LARGE and _WHOLE * pixels > _SHARE * free

    def __call__(
        self, item: Item, say: Callable[[str], None], begin: Callable[[], None]
    ) -> dict[str, Any]:
        """Restores an image; its record.

        Args:
            item: which.
            say: tells the user.
            begin: called before anything is written.

        Raises:
            InputError: the image cannot be restored; nothing is left of the attempt.
        """
        folder = self._output / item.name
        scratch = folder / _SCRATCH

        def room() -> Path:
            begin()
            shutil.rmtree(scratch, ignore_errors=True)  # of a run that was killed
            return make_folder(scratch, "--output")

        try:
            source = _opened(item, room)
            return self._restored(item, source, room, say)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _restored(self, item: Item, source: LargeImage, room, say) -> dict[str, Any]:
        run = Windows(self._config, self._chosen, source, item.name, self._simulate)
        self._check_size(run, item, say)
        run.prepare(room() if not run.scratch else run.scratch)
        ...


def _reason(config: SolveConfig, chosen: Chosen, simulate: bool) -> str:
    """Why images cannot be restored by windows; "" if they can."""
    if config.task != "identity":
        return f"the task {config.task} needs the whole image, expected denoising"
    if chosen.kind is not PnPHVAE or not chosen.tiles:
        return "works with pnp_hvae and a PatchVDVAE alone"
    if config.mesh != "none":
        return f"does not go with --mesh={config.mesh}"
    if simulate and config.simulated_jpeg:
        return "does not go with simulated_jpeg"
    return ""
