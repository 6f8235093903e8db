"""PnP-HVAE of images that no memory holds: window by window, wherever they lie."""

from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrestore.errors import InputError
from jaxrestore.likelihoods import GaussianNoise, Observation
from jaxrestore.operators import Identity
from jaxrestore.priors.hvae.tiled import Tiled, owned_pixels
from jaxrestore.settings import count
from jaxrestore.solvers.iterate import Run, Step, all_finite, fresh, judged
from jaxrestore.solvers.method import Problem
from jaxrestore.solvers.pnp_hvae import PnPHVAE
from jaxrestore.solvers.restore import Progress, memory_of
from jaxrestore.solvers.results import Restoration
from jaxrestore.solvers.stopping import Status, Stopping
from jaxrestore.solvers.views import VIEWS, View, canvas
from jaxrestore.solvers.windows import Readable, Tile, Windows, tiles


def restore_streamed(
    method: PnPHVAE,
    y: Readable,
    noise_std: float,
    images: tuple[Windows, Windows],
    mean: Windows,
    *,
    stopping: Stopping | None = None,
    max_steps: int | None = None,
    progress: Progress | None = None,
) -> Restoration:
    """Denoise an image by windows, so that memory is that of one tile.

    The run is that of ``restore(method, Observation.create(y, Identity(), noise_std))``
    to rounding: each step walks over the tiles of `Tiled`, of the view that the method
    takes, and reads, restores and writes the window of one after the other.
    The data step is pointwise; x^k and x^{k+1} are two images, so that no window sees
    what another has written in the same step. What the rules look at is summed over
    the tiles.

    Args:
        method: whose prior is a `Tiled`.
        y: the observation, floats.
        noise_std: of its white noise, in [0, 1] units.
        images: hold x^k and x^{k+1} in turn, float32. What they hold at first is not
            read.
        mean: receives the decoder mean of the last iterate.
        stopping: as in `restore`.
        max_steps: as in `restore`.
        progress: called after each tile with the number of steps so far, in parts, and
            the last relative change.

    Returns:
        What `restore` does, without latents and history; `image` is that of `images`,
        or y, that holds the last iterate, and `mean` the argument.

    Raises:
        InputError: a setting out of its range, or a method that needs more than
            windows, see `why_not`.
    """
    method, stopping, steps = _checked(method, y, noise_std, stopping, max_steps)
    walk = _Walk(method, y, np.float32(noise_std), steps, progress or (lambda *_: None))
    run = fresh((), jnp.float32)
    while int(run.status) == Status.RUNNING:
        done = int(run.steps)
        step = walk(run, _held(done, y, images), iterate=images[(done + 1) % 2])
        run = _judged(run, (), step, stopping, max_steps=steps, descends=False)
    done = int(run.steps)
    last = walk(run, image := _held(done, y, images), mean=mean)
    status = run.status if last.healthy else jnp.int32(Status.DIVERGED)
    return Restoration(
        image=image,  # type: ignore[arg-type]
        mean=mean,  # type: ignore[arg-type]
        latents=(),
        steps=run.steps,
        residual=run.residual,
        status=status,
        history=None,
        evaluations=run.steps + 1,
        gradients=jnp.int32(0),
        temperature=method._told(run.steps)[0],
    )


def why_not(method: Any) -> str:
    """What of a method needs the whole image; "" if nothing does."""
    if not isinstance(method, PnPHVAE):
        return (
            f"a {type(method).__name__} needs the whole image, expected PnPHVAE alone"
        )
    if not isinstance(method.prior, Tiled):
        return "the prior sees the whole image, expected tiles of a PatchVDVAE"
    for name in ("tv_start", "cg_steps"):
        if (value := getattr(method, name)) is not None:
            return f"{name}={value} needs the whole image, expected none"
    if method.other_views:
        return "averaged=true needs the whole image, expected false"
    if np.ndim(method.decoder_std):  # type: ignore[arg-type]
        return "decoder_std is one for each pixel, expected a number, or predicted"
    return ""


def memory(method: PnPHVAE, shape: tuple[int, ...]) -> int:
    """Bytes of the program for one tile of an image (H, W, C), with the weights."""
    method, *_ = _checked(method, jax.ShapeDtypeStruct(shape, "float32"), 0.1)
    rows, columns = method.prior.axes(_canvas(method, shape))  # type: ignore[attr-defined]
    window = jax.ShapeDtypeStruct((rows.side, columns.side, shape[2]), "float32")
    number, kept = np.int32(0), np.zeros(4, np.int32)
    arguments = _alone(method), window, window, np.float32(0.1), number, kept
    return memory_of(_program.lower(*arguments).compile())


def _checked(method, y, noise_std, stopping=None, max_steps=None):
    """The method, its rules and most steps, checked."""
    if reason := why_not(method):
        raise InputError(f"method: {reason}")
    pixel = np.zeros((1, 1, y.shape[2]), np.float32)
    method = method.validate(Observation.create(pixel, Identity(), noise_std))
    method.prior.validate()
    stopping = (method.stopping if stopping is None else stopping).validate()
    if stopping.patience is not None and stopping.watch == "objective":
        raise InputError(
            "stopping.watch=objective: is not computed by windows, expected change"
        )
    steps = method.max_steps if max_steps is None else max_steps
    return method.cast(jnp.float32), stopping, count()(steps, "max_steps")


def _canvas(method: PnPHVAE, shape: tuple[int, ...]) -> tuple[int, ...]:
    return canvas(method.used_views, method.prior, shape)


def _held(steps: int, y: Readable, images: tuple[Windows, Windows]) -> Readable:
    """What holds x^steps."""
    return images[steps % 2] if steps else y


def _alone(method: PnPHVAE) -> PnPHVAE:
    """The method as it runs on one tile, whose view is taken when it is read."""
    return replace(method, prior=method.prior.prior, views="none")  # type: ignore[attr-defined]


class _Walk:
    """One step of the method, over all tiles."""

    def __init__(self, method, y: Readable, noise_std, max_steps: int, progress):
        self._tiled, self._y, self._noise = method, y, noise_std
        self._method = jax.device_put(_alone(method))
        self._max_steps, self._progress = max_steps, progress

    def __call__(
        self,
        run: Run,
        source: Readable,
        iterate: Windows | None = None,
        mean: Windows | None = None,
    ) -> Step:
        """What became of x^k, in all.

        Args:
            run: up to here.
            source: holds x^k.
            iterate: to hold x^{k+1}.
            mean: to hold the decoder mean of x^k.
        """
        number = int(run.steps)
        which, canvas = self._view(number), _canvas(self._tiled, self._y.shape)
        walked = list(tiles(self._tiled.prior, self._y.shape, which, canvas))
        sums, found = np.zeros(2), None
        healthy = settled = np.bool_(True)
        ahead = self._read(walked[0], source)
        for done, (tile, after) in enumerate(pairwise([*walked, None]), 1):
            arguments = (*ahead, self._noise, np.int32(number), tile.kept)  # type: ignore[union-attr]
            found = _program(self._method, *jax.device_put(arguments))
            # Read while the device computes.
            ahead = self._read(after, source) if after else ahead
            found = jax.device_get(found)
            for target, values in ((mean, found.mean), (iterate, found.image)):
                if target is not None:
                    tile.write(target, values)  # type: ignore[union-attr]
            sums += np.float64(found.change), np.float64(found.before)
            healthy, settled = healthy & found.healthy, found.settled
            steps = min(number + done / len(walked), self._max_steps)
            self._progress(round(steps, 2), float(run.residual))  # type: ignore[arg-type]
        change, before = np.sqrt(sums).astype(np.float32)
        return Step(
            change=change,
            before=before,
            size=np.float32(np.prod(self._y.shape)),  # type: ignore[arg-type]
            objective=np.float32(np.nan),  # type: ignore[arg-type]
            settled=settled,  # type: ignore[arg-type]
            stalled=np.bool_(False),  # type: ignore[arg-type]
            healthy=healthy,  # type: ignore[arg-type]
            extras={},
        )

    def _view(self, number: int) -> View:
        return VIEWS[self._tiled.used_views][
            int(self._tiled.view(self._max_steps, number))
        ]

    def _read(self, tile: Tile, source: Readable) -> tuple[np.ndarray, np.ndarray]:
        """Windows of x^k and of y."""
        seen = tile.read(source)
        return seen, seen if source is self._y else tile.read(self._y)


class _Found(NamedTuple):
    """Of one tile: the decoder mean of x^k, x^{k+1}, and sums over what is kept."""

    mean: Any
    image: Any
    change: Any
    before: Any
    healthy: Any
    settled: Any


@jax.jit
def _program(method, seen, y, noise_std, number, kept) -> _Found:
    """Half of a step of the method: the network on x^k, then the data step."""
    observation = Observation(y, Identity(), GaussianNoise(noise_std))
    problem = Problem(observation, seen, max_steps=1)
    state = method._at(problem, seen, number)
    image = method.data_step(problem, state)
    kept = owned_pixels(seen.shape, kept)
    change, before = (jnp.where(kept, a, 0).ravel() for a in (image - seen, seen))
    return _Found(
        state.reconstruction.mean,
        image,
        change @ change,
        before @ before,
        all_finite((state, image)),
        method.settled(problem, state._replace(step=number + 1)),
    )


_judged = jax.jit(judged, static_argnames=("max_steps", "descends"))
