"""The base of every model of the resource, and the units that its strings hold."""

import re
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
DURATION_PATTERN = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"

Duration = Annotated[str, StringConstraints(pattern=DURATION_PATTERN, max_length=32)]
Memory = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*(Mi|Gi)$", max_length=16)]
Dollars = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]{1,6})?$", max_length=20)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([-.A-Za-z0-9]*[A-Za-z0-9])?$", max_length=253)]
ClockTime = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", max_length=5)]
Share = Annotated[float, Field(ge=0, le=1)]
Schemaless = Annotated[dict[str, Any], Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})]


class Model(BaseModel):
    """Frozen, camelCase outside, unknown fields refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, allow_inf_nan=False
    )


def rules(*checks: tuple[str, str, str]) -> ConfigDict:
    """A model's CEL rules: (expression, message, field path below the model or "")."""
    return ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": rule, "message": message, **({"fieldPath": path} if path else {})}
                for rule, message, path in checks
            ]
        }
    )


def section(model: type[Model], description: str) -> Any:
    """A nested object that is there, with its own defaults, when the user leaves it out."""
    return Field(default_factory=model, description=description, json_schema_extra={"default": {}})


def seconds(duration: str) -> float:
    """Seconds of a duration such as ``1m30s``. Raises ValueError when it is none."""
    if not re.fullmatch(DURATION_PATTERN, duration) or duration.endswith("\n"):
        raise ValueError(f"{duration!r} is not a duration such as 500ms, 10s or 1m30s")
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION_PART.findall(duration))
