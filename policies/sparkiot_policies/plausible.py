"""What cannot have been measured, whoever reports it: it is missing, and never reaches a policy."""

from dataclasses import replace
from operator import attrgetter
from typing import Any

from .measurement import Measurement

LARGEST = 3.4e38
"""Of any value: what single precision holds, as policies take it. Beyond it nothing was measured."""
_MEASURED = (
    "rate",
    "backlog",
    "volume_mb",
    "shuffle_mb",
    "cpu",
    "memory",
    "state_mib",
    "temperature",
    "cost_per_hour",
    "trigger_interval_s",
    "startup_s",
    "restart_cost_s",
    "uptime_s",
)
_MEASURED_OF = attrgetter(*_MEASURED)


def measurable(value: float) -> bool:
    """Whether it is a number that anything could have measured."""
    return -LARGEST <= value <= LARGEST


def plausible(measurement: Measurement) -> Measurement:
    """The same without the values and batches that nothing could have measured."""
    values = zip(_MEASURED, _MEASURED_OF(measurement), strict=True)
    wrong = [name for name, value in values if value is not None and not measurable(value)]
    batches = measurement.batches
    good = tuple(b for b in batches if measurable(b.rows + b.duration_s + b.latency_ms))
    if not wrong and len(good) == len(batches):
        return measurement
    missing: dict[str, Any] = dict.fromkeys(wrong)
    return replace(measurement, **missing, batches=good)
