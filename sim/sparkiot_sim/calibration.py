"""The constants of the realistic cluster model, read from one file that says where each of them came from."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from sparkiot_policies.allocation import COMPRESSIONS, TIERS, Compression, Tier

Key = TypeVar("Key")
Value = TypeVar("Value")


class CalibrationError(ValueError):
    """A calibration file cannot be read or holds a value that the model cannot use; names the file and the field."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Constant(_Table):
    """One number of the model. source: a publication, ``seen``, ``thesis`` or ``assumed`` with its reason."""

    value: float
    unit: str = Field(min_length=1)
    source: str = Field(min_length=1)


def _positive(constant: Constant) -> Constant:
    if constant.value <= 0:
        raise ValueError(f"{constant.value} {constant.unit} must be above 0")
    return constant


def _not_negative(constant: Constant) -> Constant:
    if constant.value < 0:
        raise ValueError(f"{constant.value} {constant.unit} must not be negative")
    return constant


def _share(constant: Constant) -> Constant:
    if not 0 < constant.value <= 1:
        raise ValueError(f"{constant.value} must be above 0 and at most 1")
    return constant


Positive = Annotated[Constant, AfterValidator(_positive)]
NotNegative = Annotated[Constant, AfterValidator(_not_negative)]
Share = Annotated[Constant, AfterValidator(_share)]


class BatchConstants(_Table):
    """Time of a micro-batch: fixed cost and how work scales with executors."""

    fixed_s: NotNegative
    scaling_exponent: Share


class MemoryConstants(_Table):
    """When a working set spills, and when an executor is killed."""

    reserved_mib: NotNegative
    usable_fraction: Share
    expansion: Positive
    spill_slowdown: NotNegative
    oom_pressure: Positive
    oom_lost_share: Share
    state_window_s: Positive


class TemperatureConstants(_Table):
    """How the re-read probability drifts: a mean-reverting walk."""

    step_s: Positive
    persistence: Share
    spread: NotNegative


class CompressionConstants(_Table):
    """Compressed over raw size, and CPU throughput of one core there and back; absent where nothing is compressed."""

    ratio: Share
    throughput_mb_s: Positive | None = None


class TierConstants(_Table):
    """One shuffle tier: round trip, bandwidth of a stream, and how many streams go at once."""

    access_s: NotNegative
    bandwidth_mb_s: Positive
    streams: Positive


class Preset(_Table):
    """What differs between clusters. losses_per_hour: of one executor. spread: standard deviation of the logarithm."""

    startup_s: Positive
    startup_spread: NotNegative
    decommission_s: NotNegative
    restart_s: Positive
    restart_spread: NotNegative
    losses_per_hour: NotNegative


class Calibration(_Table):
    """All constants of the model."""

    batch: BatchConstants
    memory: MemoryConstants
    temperature: TemperatureConstants
    compression: Annotated[
        Mapping[Compression, CompressionConstants], AfterValidator(lambda m: _complete(m, COMPRESSIONS))
    ]
    tiers: Annotated[Mapping[Tier, TierConstants], AfterValidator(lambda m: _complete(m, TIERS))]
    presets: Mapping[str, Preset] = Field(min_length=1)

    def preset(self, name: str) -> Preset:
        """The preset of that name. Raises CalibrationError when there is none."""
        try:
            return self.presets[name]
        except KeyError:
            raise CalibrationError(f"preset {name!r} is unknown; known: {', '.join(self.presets)}") from None


def load_calibration(path: Path) -> Calibration:
    """Read and check a calibration file. Raises CalibrationError naming file, field and reason."""
    try:
        return _parse(path.read_text(encoding="utf-8"), name=str(path))
    except OSError as error:
        raise CalibrationError(f"{path}: cannot be read: {error.strerror}") from error


@cache
def default_calibration() -> Calibration:
    """The calibration that ships with the simulator."""
    return _parse(files(__package__).joinpath("calibration.toml").read_text(encoding="utf-8"), name="calibration.toml")


def _parse(text: str, *, name: str) -> Calibration:
    try:
        return Calibration.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise CalibrationError(f"{name}: not TOML: {error}") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise CalibrationError(f"{name}: {problems}") from error


def _complete(table: Mapping[Key, Value], keys: tuple[Key, ...]) -> Mapping[Key, Value]:
    if missing := [str(k) for k in keys if k not in table]:
        raise ValueError(f"{', '.join(missing)} missing")
    return table
