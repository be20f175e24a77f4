"""The signal between gateway and operator: small JSON with a schema version, and strict about what it lets in.

Whoever may publish on the control topic could make a cluster grow. So a signal is refused whole as soon as one of its
values is not what the schema says or lies outside what any real load could be.
"""

import enum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from sparkiot_policies.measurement import EdgeSignal

SCHEMA: Literal[1] = 1
MAX_BYTES = 2048
"""A signal takes about 250 bytes; more is none, and is not even parsed."""
MAX_RATE = 1e9
"""Messages/s."""
MAX_HORIZON_S = 3600.0
MAX_TIME_S = 4_102_444_800.0
"""Epoch seconds of the year 2100."""
GROWN = 1.25
"""How many times the last prediction the next one must be, while an alarm stands, to be news: the first seconds of a
burst tell little of how far it goes. Each is by a quarter above the one before, so there are few."""
Label = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[\w.:/-]+$")]


class Flaw(enum.StrEnum):
    """Why a payload is no signal."""

    TOO_LARGE = "TooLarge"
    NOT_JSON = "NotJson"
    WRONG_SCHEMA = "WrongSchema"
    IMPLAUSIBLE = "Implausible"


class SignalError(ValueError):
    """A payload that is no signal. The message never repeats the payload, which may be anything."""

    def __init__(self, flaw: Flaw, detail: str) -> None:
        self.flaw = flaw
        super().__init__(f"{flaw.value}: {detail}")


class Signal(BaseModel):
    """What a gateway announces of one group of topics.

    time: when it was made, epoch seconds by the gateway's clock. horizon: seconds that it looks ahead. predicted_rate:
    messages/s, the highest within the horizon. probability: that load is in a burst within it. alarm: the gateway
    announces one. model: the predictor's name. source: the gateway and its group of topics.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    schema_version: Literal[1] = Field(alias="schema")
    time: float = Field(gt=0, le=MAX_TIME_S)
    horizon: float = Field(gt=0, le=MAX_HORIZON_S)
    predicted_rate: float = Field(alias="predictedRate", ge=0, le=MAX_RATE)
    probability: float = Field(ge=0, le=1)
    alarm: bool
    model: Label
    source: Label

    def encode(self) -> bytes:
        return self.model_dump_json(by_alias=True).encode()

    def to_edge_signal(self, *, time: float) -> EdgeSignal:
        """As decisions see it. time: epoch seconds by the reader's clock."""
        return EdgeSignal(
            time=time,
            horizon_s=self.horizon,
            predicted_rate=self.predicted_rate,
            probability=self.probability,
            alarm=self.alarm,
        )


def parse_signal(payload: bytes) -> Signal:
    """Raises SignalError."""
    if len(payload) > MAX_BYTES:
        raise SignalError(Flaw.TOO_LARGE, f"{len(payload)} bytes, at most {MAX_BYTES} are a signal")
    try:
        return Signal.model_validate_json(payload)
    except ValidationError as error:
        raise _flaw(error) from None


def _flaw(error: ValidationError) -> SignalError:
    found: list[Any] = error.errors(include_url=False, include_context=False, include_input=False)
    kinds = {each["type"] for each in found}
    if "json_invalid" in kinds:
        return SignalError(Flaw.NOT_JSON, "the payload is not JSON")
    first = found[0]
    where = ".".join(str(part) for part in first["loc"] if part in _FIELDS) or "the object"
    bounds = {"greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number"}
    implausible = kinds <= bounds
    return SignalError(Flaw.IMPLAUSIBLE if implausible else Flaw.WRONG_SCHEMA, f"{where}: {first['msg']}")


_FIELDS = {field.alias or name for name, field in Signal.model_fields.items()}
