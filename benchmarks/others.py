"""The data step of other libraries: argmin |A x - y|^2 / 2 s^2 + |x - v|^2 / 2 t^2."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

FACTOR = 4
Step = Callable[[], np.ndarray]


def deepinv(case: str, y, v, kernel, mask, weight: float) -> tuple[str, Step]:
    """deepinv's version and its `prox_l2`, with its defaults.

    Args:
        case: "mask", "blur" or "blur, every 4th pixel"; periodic.
        y, v: (h, w, 3) and (H, W, 3).
        kernel: (k, k), k odd.
        mask: (H, W, 1).
        weight: t^2 / s^2.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    torch: Any = importlib.import_module("torch")
    physics: Any = importlib.import_module("deepinv.physics")
    version = importlib.import_module("deepinv").__version__
    y, v, mask = (torch.from_numpy(_first(array))[None] for array in (y, v, mask))
    size, filter_ = tuple(v.shape[1:]), torch.from_numpy(np.array(kernel))[None, None]
    if case == "mask":
        operator = physics.Inpainting(size, mask=mask[0].expand(size))
    elif case == "blur":
        operator = physics.BlurFFT(size, filter=filter_)
    else:
        operator = physics.Downsampling(size, filter=filter_, factor=FACTOR)

    def step():
        with torch.inference_mode():
            found = operator.prox_l2(v, y, weight)
        return found[0].permute(1, 2, 0).numpy()

    return version, step


def scico(case: str, y, v, kernel, mask, weight: float) -> tuple[str, Step]:
    """scico's version and the `prox` of its squared loss, with its defaults.

    Args and errors as for `deepinv`.
    """
    linop: Any = importlib.import_module("scico.linop")
    loss: Any = importlib.import_module("scico.loss")
    version = importlib.import_module("scico").__version__
    jnp: Any = importlib.import_module("jax.numpy")
    y, v, mask = (jnp.asarray(_first(array)) for array in (y, v, mask))
    if case == "mask":
        operator = linop.Diagonal(jnp.broadcast_to(mask, v.shape))
    else:
        centre = [side // 2 for side in kernel.shape]
        operator = linop.CircularConvolve(
            jnp.asarray(kernel), v.shape, ndims=2, h_center=centre
        )
    if case not in ("mask", "blur"):
        every = slice(None, None, FACTOR)
        cut = linop.Slice((slice(None), every, every), v.shape)
        operator = cut @ operator
    fidelity = loss.SquaredL2Loss(y, operator)

    def step():
        return np.asarray(fidelity.prox(v, weight)).transpose(1, 2, 0)

    return version, step


def _first(array) -> np.ndarray:
    """Channels first."""
    return np.ascontiguousarray(np.asarray(array).transpose(2, 0, 1))
