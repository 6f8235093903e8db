"""What the configurations of networks share."""

from dataclasses import asdict, fields
from typing import Any, Self

from jaxrestore.errors import InputError
from jaxrestore.settings import parse_number


class NetworkConfig:
    """Base of the frozen dataclasses that describe a network."""

    def __post_init__(self):
        """Check the fields that are numbers, and take text such as "8/255" as one."""
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if field.type is float or (
                field.type == float | None and value is not None
            ):
                number = parse_number(value, f"model.{field.name}")
                object.__setattr__(self, field.name, number)

    @classmethod
    def from_dict(cls, values) -> Self:
        """From a mapping (a config file, a weights header); unknown names refused."""
        if not hasattr(values, "keys"):
            raise InputError(f"model={values!r}: expected a mapping of settings")
        known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        unknown = sorted(set(values) - known)
        if unknown:
            raise InputError(
                f"model.{unknown[0]}: unknown setting; expected one of "
                f"{', '.join(sorted(known))}"
            )
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


def check_compute_dtype(value: str) -> None:
    """Refuse what networks cannot compute in."""
    if value not in ("float32", "bfloat16"):
        raise InputError(
            f"model.compute_dtype={value!r}: expected 'float32' or 'bfloat16'"
        )
