"""The settings of training data: where they lie, and what patches are cut."""

from dataclasses import dataclass
from typing import Any

from jaxrestore.errors import InputError
from jaxrestore.settings import choice, count, flag, sequence, setting, text

SAME = "same"  # data.degraded: other patches of the clean images


def _channels(value: Any, name: str) -> int:
    return int(choice("1", "3")(str(value), name))


def _scales(value: Any, name: str) -> tuple[int, ...]:
    scales = sequence(count())(value, name)
    if any(a >= b for a, b in zip(scales, scales[1:], strict=False)):
        raise InputError(
            f"{name}={scales}: expected increasing whole factors such as 1,2,4"
        )
    return scales


@dataclass(frozen=True)
class DataConfig:
    """The `data` section."""

    kind: str = setting("folder", choice("folder", "tfds"), "folder or tfds")
    train: str = setting("", text, 'folder of images, or "dataset:split" of TFDS')
    val: str = setting("", text, "the same; empty: nothing is evaluated")
    degraded: str = setting(
        "", text, f"second, unpaired patches (alr): a folder, or {SAME!r}, of train"
    )
    degraded_val: str = setting("", text, "beside val, where degraded is a folder")
    unreadable: str = setting(
        "stop", choice("stop", "skip"), "at an unusable file of a folder: stop or skip"
    )
    tfds_dir: str = setting("", text, "where prepared TFDS sets lie")
    patch_size: int = setting(64, count(), "side of a patch, pixels")
    scales: tuple = setting((1, 2, 4), _scales, "reduction factors, drawn uniformly")
    channels: int = setting(3, _channels, "3: colour, 1: grey")
    flip: bool = setting(True, flag, "mirror half of the patches")
    dequantise: bool = setting(True, flag, "(v + u) / 256, u uniform, instead of v/255")
    cache: bool = setting(True, flag, "keep decoded images in memory")
    num_threads: int = setting(2, count(0), "that load patches")
    num_workers: int = setting(0, count(0), "loader processes; fixed for a run")

    def require(self, what: str, **expected: Any) -> None:
        """Raise InputError unless settings are as `what`, a network, takes them."""
        for name, value in expected.items():
            if (given := getattr(self, name)) != value:
                raise InputError(
                    f"config.data.{name}={given}: expected {value}, what {what}"
                )
