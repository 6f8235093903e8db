"""What the configurations of networks share."""

from dataclasses import asdict, fields
from typing import Any, Self

from jaxrestore.errors import InputError
from jaxrestore.settings import parse_number, unknown

_CHOICES = {"image_channels": (3, 1), "compute_dtype": ("float32", "bfloat16")}


class NetworkConfig:
    """Base of the frozen dataclasses that describe a network.

    Fields of numbers are checked by their types: finite ones for `float` (text such
    as "8/255" is one), positive ones for ``tuple[int, ...]``.
    """

    def __post_init__(self):
        for field in fields(self):  # type: ignore[arg-type]
            value, name = getattr(self, field.name), f"model.{field.name}"
            if field.type is float or (field.type == float | None and value):
                value = parse_number(value, name)
            elif field.type == tuple[int, ...]:
                value = tuple(int(item) for item in value)
                if not value or min(value) < 1:
                    raise InputError(f"{name}={value}: expected positive integers")
            choices = _CHOICES.get(field.name, (value,))
            if value not in choices:
                names = " or ".join(map(repr, choices))
                raise InputError(f"{name}={value!r}: expected {names}")
            object.__setattr__(self, field.name, value)

    @classmethod
    def from_dict(cls, values) -> Self:
        """From a mapping (a config file, a weights header); unknown names refused."""
        if not hasattr(values, "keys"):
            raise InputError(f"model={values!r}: expected a mapping of settings")
        known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        for name in sorted(set(values) - known):
            raise InputError(f"model.{name}: {unknown(name, known)}")
        try:
            return cls(**dict(values))
        except InputError:
            raise
        except (TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"model: a setting has the wrong type ({error}); expected values like"
                f" those of {cls.__name__}'s defaults"
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """Plain values; :meth:`from_dict` reads them back."""
        return asdict(self)  # type: ignore[call-overload]
