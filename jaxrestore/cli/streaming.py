"""Images that memory does not hold: which they are, and what becomes of them."""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from jaxrestore.cli import outputs, watch
from jaxrestore.cli.chosen import Chosen
from jaxrestore.cli.forecast import Needs, check_limits, forecast
from jaxrestore.cli.items import Item, sample_image
from jaxrestore.cli.levels import levels
from jaxrestore.cli.side_by_side import SideBySide
from jaxrestore.cli.solve_config import AUTO, SolveConfig
from jaxrestore.cli.streamed import Streamed, noisy_image, seen_as, tiled
from jaxrestore.cli.task import Problem, Task, keys
from jaxrestore.cli.tiling import LARGE, free_memory
from jaxrestore.cli.trust import MISMATCH
from jaxrestore.data.files import make_folder
from jaxrestore.data.images import LoadedImage, upright, write_png
from jaxrestore.data.large import LargeImage, open_large
from jaxrestore.data.stored import middle, reduced, sampled
from jaxrestore.errors import InputError
from jaxrestore.report.sheets import Panel, comparison
from jaxrestore.solvers import PnPHVAE
from jaxrestore.solvers.presets import PRESET
from jaxrestore.solvers.streamed import memory

RESTORED, OVERVIEW = outputs.STREAMED
_JPEG = (".jpg", ".jpeg")
# Bytes that a process holds for each pixel of an image that it has whole, and the share
# of the free memory that they may take.
_WHOLE, _SHARE = 220, 0.5
_SIDE = 1024  # of the overview, at most
_SCRATCH = ".windows"


class Streaming:
    """Restores images from disk to disk, where that is asked for or memory is short.

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

    def savings(self, problem: Problem) -> list[str]:
        """As `Chosen.savings`, of an image that was restored whole."""
        return [] if self._reason or problem.jpeg else ["--stream=true"]

    def takes(self, item: Item) -> bool:
        """Whether an image is restored this way.

        Raises:
            InputError: it is asked for, and is not possible.
        """
        path = item.path
        rounded = path and path.suffix.lower() in _JPEG and not self._simulate
        if self._config.stream is True and rounded:
            raise InputError(
                f"--stream=true: {path} is a JPEG file, all of which counts at once,"
                " down to how it was rounded; save it as a TIFF, or leave it out"
            )
        if self._config.stream != AUTO:
            return bool(self._config.stream)
        height, width, _ = item.shape() or (0, 0, 0)
        if self._reason or rounded or height * width < LARGE:
            return False
        free = min(free_memory(), psutil.virtual_memory().available)
        return _WHOLE * height * width > _SHARE * free

    def __call__(
        self, item: Item, say: Callable[[str], None], begin: Callable[[], None]
    ) -> dict[str, Any]:
        """Restores an image; its record.

        Args:
            item: which.
            say: tells the user.
            begin: called before anything is written.

        Raises:
            InputError: the image cannot be restored.
        """
        scratch = self._output / item.name / _SCRATCH

        @cache
        def room() -> Path:
            begin()
            shutil.rmtree(scratch, ignore_errors=True)  # of a run that was killed
            return make_folder(scratch, "--output")

        try:
            source = _opened(item, room)
            problem = self._problem(item.name, source)
            self._check_size(problem, source, say)
            for note in (*source.notes, *problem.notes):
                say(note)
            return self._restored(item.name, source, problem, room(), say)
        finally:
            if room.cache_info().currsize:
                shutil.rmtree(scratch, ignore_errors=True)
                with suppress(OSError):  # it holds results
                    scratch.parent.rmdir()

    def _problem(self, name: str, source: LargeImage) -> Problem:
        """That of a sample, with the noise of the image."""
        sample, config = sampled(source), self._config
        if self._simulate:
            found, _ = levels(config, True, sample, None, None)
            config = replace(config, noise_std=found.told)
        task = Task(config, False, self._chosen.prior)
        return task.problem(name, LoadedImage(sample, source.bit_depth))

    def _check_size(self, problem: Problem, source: LargeImage, say) -> None:
        """Say what the image takes, and refuse what is too much."""
        shape = *source.shape[:2], problem.full.shape[2]
        size = f"{shape[1]}x{shape[0]} pixels"
        method, _ = tiled(self._chosen, problem, shape)
        how = f"{size} to restore from disk in tiles of {method.prior.tile}"  # type: ignore[attr-defined]
        steps, limit = self._config.stopping.max_steps, self._config.max_minutes
        needs = lambda: Needs(memory(method, shape))  # noqa: E731
        found = forecast(method, shape, problem.noise_std, steps, needs)
        level = f"noise {255 * problem.noise_std:.2f}/255, up to {steps} steps"
        say(f"{how}, {level}" + (f": {found}" if found else ""))
        check_limits(found, limit, size)

    def _restored(
        self, name: str, source: LargeImage, problem: Problem, scratch: Path, say
    ) -> dict[str, Any]:
        observed, scores = source, dict.fromkeys(_SCORES)
        if self._simulate:
            key = keys(self._config.seed, name).noise
            level = self._config.simulated_noise_std or 0.0
            observed, before = noisy_image(source, level, key, scratch / "observed")
            problem = seen_as(problem, sampled(observed))
            scores["psnr_observed"] = before
        clean = source if self._simulate else None
        path = scratch / RESTORED
        one: Any = Streamed(self._chosen, source, observed, clean, scratch, path)
        with watch.steps(self._config.stopping.max_steps) as progress:
            alone = SideBySide(one, replace(self._config, batch=1), "--input")
            (end,) = alone([problem], progress)
        if isinstance(end, InputError):
            raise end
        problem, outcome, notes = end
        for note in notes:
            say(note)
        refused = outcome.record["status"] == MISMATCH
        self._written(one, path, scratch.parent, observed, clean, refused)
        if clean is not None:
            scores["psnr"] = one.target.psnr
        return {
            "shape": list(source.shape),
            "noise_std": problem.noise_std,
            **outcome.record,
            "notes": [*source.notes, *problem.notes, *notes],
            **scores,
            "streamed": True,
        }

    def _written(
        self, one: Streamed, path: Path, folder: Path, observed, clean, refused: bool
    ) -> None:
        """Puts the files into an image's folder."""
        for name in outputs.FILES:  # of a run that had the image whole
            (folder / name).unlink(missing_ok=True)
        outputs.remove_old(folder)
        if refused:
            os.replace(path, folder / outputs.REJECTED)
            one.give_back()
        one.target.move(folder / RESTORED)  # first: nothing below can lose it
        icc, turned = one.source.icc, one.source.orientation
        colours = slice(0, one.source.shape[2])
        small = upright(reduced(one.target, _SIDE)[..., colours], turned)
        write_png(folder / OVERVIEW, small, icc=icc)
        if self._figures:
            panels = {"observed": observed, "restored": one.target, "clean": clean}
            comparison(
                folder / "comparison.png",
                [
                    Panel(title, upright(middle(image), turned))
                    for title, image in panels.items()
                    if image is not None
                ],
            )


_SCORES = ("psnr_observed", "ssim_observed", "psnr", "ssim")


def _reason(config: SolveConfig, chosen: Chosen, simulate: bool) -> str:
    """Why images cannot be restored by windows; "" if they can."""
    if config.task != "identity":
        return f"the task {config.task} needs the whole image, expected denoising"
    if chosen.kind is not PnPHVAE or not chosen.tiles:
        return "works with pnp_hvae and a PatchVDVAE alone"
    if chosen.wraps:
        return "does not go with acceleration, nor with settings chosen by the image"
    for name in ("tv_start", "cg_steps", "averaged"):
        if (value := getattr(config.solver, name)) not in (None, False, PRESET):
            return f"config.solver.{name}={value} needs the whole image"
    if config.mesh != "none":
        return f"does not go with --mesh={config.mesh}"
    if simulate and config.simulated_jpeg:
        return "does not go with simulated_jpeg"
    return ""


def _opened(item: Item, scratch: Callable[[], Path]) -> LargeImage:
    if item.path is None:
        return LargeImage(sample_image().pixels)
    return open_large(item.path, scratch)
