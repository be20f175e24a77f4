"""The constants of the realistic cluster model, read from files that say where each of them came from.

A preset is a kind of cluster, and its name leads to the calibration that it belongs to: clusters differ in more than
their presets hold, and what was measured on one says nothing about another.
"""

import datetime
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from sparkiot_policies.allocation import COMPRESSIONS, TIERS, Compression, Tier

SHIPPED = ("calibration.toml", "calibrated.toml")
"""Files of this package, in the order in which their presets are listed."""

Key = TypeVar("Key")
Value = TypeVar("Value")


class CalibrationError(ValueError):
    """A calibration file cannot be read or holds a value that the model cannot use; names the file and the field."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Constant(_Table):
    """One number of the model.

    source: a publication, ``measured``, ``seen``, ``thesis`` or ``assumed`` with its reason. spread: standard deviation
    of the value, in its unit; None where only a value is known. date: when it was measured; None for what was not.
    """

    value: float
    unit: str = Field(min_length=1)
    source: str = Field(min_length=1)
    spread: float | None = Field(None, ge=0)
    date: datetime.date | None = None


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
    """What differs between clusters of one calibration.

    trigger_interval_s: that the example jobs have on such a cluster; a batch costs too much for a shorter one.
    losses_per_hour: of one executor. startup_spread, restart_spread: standard deviation of the logarithm.
    """

    trigger_interval_s: Positive
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
def shipped_calibrations() -> tuple[Calibration, ...]:
    """The calibrations that ship with the simulator; no two of them have a preset of the same name."""
    package = files(__package__)
    return tuple(_parse(package.joinpath(name).read_text(encoding="utf-8"), name=name) for name in SHIPPED)


def preset_names() -> tuple[str, ...]:
    """The presets of all shipped calibrations."""
    return tuple(name for calibration in shipped_calibrations() for name in calibration.presets)


def calibration_with(preset: str) -> Calibration:
    """The shipped calibration that has a preset of that name. Raises CalibrationError when none has."""
    for calibration in shipped_calibrations():
        if preset in calibration.presets:
            return calibration
    raise CalibrationError(f"preset {preset!r} is unknown; known: {', '.join(preset_names())}")


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
