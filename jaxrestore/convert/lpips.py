"""torchvision's classifiers and the linear weights of the ``lpips`` package."""

import re
from collections.abc import Iterator

import numpy as np

from jaxrestore.convert.tensors import (
    CHANNELS,
    KERNEL,
    Arrays,
    Shapes,
    Tensor,
    affine,
    plain_names,
    prior_from,
)
from jaxrestore.errors import InputError
from jaxrestore.metrics.lpips import LPIPS, check_network
from jaxrestore.nets.perceptual import STACKS, Fire, Pool, tap_channels

# Of the classifiers' last layers, and of what a whole lpips model repeats or fixes.
_UNUSED = ("classifier.", "lins.", "scaling_layer.")


def tensors(network: str) -> Iterator[Tensor]:
    """The table of a network; names as in torchvision and in the files of lpips."""
    for index, spec, _ in STACKS[network]:
        if isinstance(spec, Fire):
            for part in ("squeeze", "expand1x1", "expand3x3"):
                path = f"stack/features_{index}/{part}"
                yield from affine(f"features.{index}.{part}", path, KERNEL)
        elif not isinstance(spec, Pool):
            path = f"stack/features_{index}"
            yield from affine(f"features.{index}", path, KERNEL)
    for i in range(len(tap_channels(network))):
        yield Tensor(f"lin{i}.model.1.weight", f"heads/{i}", CHANNELS)


def from_state_dicts(
    classifier: Arrays, heads: Arrays | None = None, network: str | None = None
) -> LPIPS:
    """Build the distance from public weights.

    Args:
        classifier: state_dict of torchvision's alexnet, vgg16 or squeezenet1_1, or of
            a whole `lpips.LPIPS`, which holds the heads too.
        heads: lpips/weights/v0.1/{alex,vgg,squeeze}.pth.
        network: "alex", "vgg" or "squeeze"; None: what the shapes tell.

    Raises:
        InputError: unknown network, or a tensor is missing, left over or of another
            shape.
    """
    arrays = _renamed(classifier) | _renamed(heads or {})
    network = network or infer({name: a.shape for name, a in arrays.items()})
    check_network(network)
    if "lin0.model.1.weight" not in arrays:
        raise InputError(
            "--heads is missing: the source holds a classifier alone; expected also "
            f"the file lpips/weights/v0.1/{network}.pth of the lpips package"
        )
    return prior_from(tensors(network), arrays, LPIPS, network)


def infer(shapes: Shapes) -> str:
    """The network that these tensors (torchvision's names) belong to.

    Raises:
        InputError: none of the three.
    """
    first = shapes.get("features.0.weight")
    if first == (64, 3, 11, 11):
        return "alex"
    if first == (64, 3, 3, 3):
        return "squeeze" if "features.3.squeeze.weight" in shapes else "vgg"
    raise InputError(
        "source: no features.0.weight of AlexNet, VGG16 or SqueezeNet 1.1; expected the"
        " state_dict of torchvision's classifier or of an lpips.LPIPS"
    )


def _renamed(arrays: Arrays) -> dict[str, np.ndarray]:
    """torchvision's names for those of a whole `lpips.LPIPS`, unused tensors dropped.

    Its "net.slice2.3.weight" is "features.3.weight"; without dropout a head is
    "model.0".
    """
    renamed = {}
    for name, value in plain_names(arrays).items():
        name = re.sub(r"^net\.slice\d+\.", "features.", name)
        name = re.sub(r"^(lin\d+)\.model\.0\.", r"\1.model.1.", name)
        if not name.startswith(_UNUSED):
            renamed[name] = value
    return renamed
