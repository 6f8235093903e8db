"""What the configurations of networks share."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Self

from jaxrestore.errors import InputError
from jaxrestore.settings import bind, choice, count, sequence, settings_of

dtype = choice("float32", "bfloat16")
sizes = sequence(count())


def channels(value: Any, name: str) -> int:
    """3 for colour, 1 for grey."""
    if value not in (3, 1):
        raise InputError(f"{name}={value!r}: expected 3 or 1")
    return int(value)


class NetworkConfig:
    """Base of the frozen dataclasses that describe a network, fields of settings."""

    def __post_init__(self):
        for field in settings_of(self):
            check, value = field.metadata["check"], getattr(self, field.name)
            value = check(value, f"model.{field.name}")
            object.__setattr__(self, field.name, value)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """From a mapping (a config file, a weights header); unknown names refused."""
        if not hasattr(values, "keys"):
            raise InputError(f"model={values!r}: expected a mapping of settings")
        return bind(cls, values, "model")

    def to_dict(self) -> dict[str, Any]:
        """Plain values; :meth:`from_dict` reads them back."""
        return asdict(self)  # type: ignore[call-overload]
