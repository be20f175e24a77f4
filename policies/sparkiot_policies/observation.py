"""What a policy sees: one number an element, in a fixed order, in raw units.

Version 1 is the public contract (13 numbers, float32): policies trained elsewhere on it must load and run unchanged.
A later version appends elements and never reorders them, so a version is just a length.
"""

import dataclasses
import math
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ObservationMissingError, PolicyMismatchError

Vector = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True, slots=True)
class Element:
    """One element of an observation: its unit, its range in training environments and what it means."""

    name: str
    unit: str
    low: float
    high: float
    meaning: str


def element(unit: str, high: float, meaning: str, *, low: float = 0.0) -> Any:
    """Declare one element; a value that nobody measured is None."""
    return dataclasses.field(default=None, metadata={"unit": unit, "low": low, "high": high, "meaning": meaning})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The state of one job at one decision. ``None`` means missing or stale, never zero."""

    # version 1: the order is a public contract
    workload_rate: float | None = element("messages/s", 1000, "arrival rate over the last interval")
    data_volume: float | None = element("MB", 1000, "data volume of the last batch")
    cpu: float | None = element("%", 100, "CPU utilisation of the executors")
    memory: float | None = element("%", 100, "memory utilisation of the executors")
    latency: float | None = element("ms", 10000, "end-to-end latency at the objective's quantile")
    cost_rate: float | None = element("$/h", 100, "cost of what is billed now")
    weight_cost: float | None = element("-", 1, "α, the weight of cost")
    weight_latency: float | None = element("-", 1, "β, the weight of latency")
    weight_throughput: float | None = element("-", 1, "γ, the weight of throughput")
    shuffle_size: float | None = element("MB", 10000, "raw shuffle bytes of the last batch")
    temperature: float | None = element("-", 1, "probability that a batch's data is read again")
    predicted_rate: float | None = element("messages/s", 1000, "arrival rate that the edge predicts")
    burst: float | None = element("0 or 1", 1, "the edge announces a burst")
    # version 2: what a real cluster adds; ratios in executors, so that one policy serves jobs of any size
    backlog: float | None = element("messages", 1e6, "messages that arrived and are not yet in a batch")
    running: float | None = element("executors", 100, "registered executors")
    pending: float | None = element("executors", 100, "executors requested and not yet registered")
    trigger_interval: float | None = element("s", 600, "trigger interval of the query")
    latency_target: float | None = element("ms", 600000, "the latency objective")
    batch_duration: float | None = element("s", 600, "duration of the last batch")
    capacity: float | None = element("messages/s", 1e6, "true processing rate of one executor (DS2)")
    demand: float | None = element("executors", 100, "workload rate over capacity")
    predicted_demand: float | None = element("executors", 100, "predicted rate over capacity")
    backlog_work: float | None = element("executor-seconds", 1e5, "backlog over capacity")
    memory_per_executor: float | None = element("GiB", 64, "memory of an executor in force")
    tier: float | None = element("index", 3, "shuffle tier in force: 0 hot, 1 warm, 2 cold, 3 archive")
    compression: float | None = element("index", 2, "compression in force: 0 none, 1 LZ4, 2 ZSTD")
    startup: float | None = element("s", 600, "time from request to registered executor, measured")
    trend: float | None = element("ratio", 10, "workload rate over its mean in the metrics window")
    hour_sin: float | None = element("-", 1, "sine of the time of day", low=-1.0)
    hour_cos: float | None = element("-", 1, "cosine of the time of day", low=-1.0)
    attainment: float | None = element("share", 1, "share of batches within the objective in the SLO window")
    # version 3: what the load needs by the measured cost of a batch, and what the envelope keeps anyway
    required: float | None = element("executors", 100, "executors that the load now needs to meet the objective")
    required_ahead: float | None = element("executors", 100, "executors that the forecast load needs")
    required_next: float | None = element("executors", 100, "the higher of the two before")
    required_peak: float | None = element("executors", 100, "executors for the highest load of the metrics window")
    forecast_known: float | None = element(
        "0 or 1", 1, "there is a fresh edge signal, and signals do not scatter too much to be believed"
    )
    forecast_noise: float | None = element("ratio", 1, "standard deviation of one signal over its mean")
    forecast_support: float | None = element(
        "share", 1, "share of the last minute's signals that agree with the newest"
    )
    burst_probability: float | None = element("-", 1, "probability of a burst that the edge states")
    rate_noise: float | None = element("ratio", 1, "standard deviation of the rate from one look to the next")
    in_force: float | None = element("executors", 100, "executors asked for and not taken back")
    floor: float | None = element("executors", 100, "executors that scale-down stabilisation keeps now")
    overhead: float | None = element("share", 1, "fixed cost of a batch over the time that it may take")
    working_set: float | None = element("GiB", 64, "memory in use by the load of one required executor")
    shuffle_per_executor: float | None = element("MB/s", 1000, "raw shuffle data of one busy executor")
    lateness: float | None = element("ratio", 10, "latency of the newest batch over its target")
    interval: float | None = element("s", 600, "time between two decisions")

    def vector(self, version: int) -> Vector:
        """The elements of a version as float32, shape (``size(version)``,).

        Raises ObservationMissingError when one is missing or not finite, PolicyMismatchError for an unknown version.
        """
        if missing := self.missing(version):
            raise ObservationMissingError(missing)
        return np.array(_getter(version)(self), dtype=np.float32)

    def missing(self, version: int) -> tuple[str, ...]:
        """Names of the elements of a version that are missing or not finite, in order."""
        values = _getter(version)(self)
        return tuple(n for n, v in zip(names(version), values, strict=True) if v is None or not math.isfinite(v))

    def to_dict(self) -> dict[str, float | None]:
        """Element name to value, in order; for JSON."""
        return {e.name: getattr(self, e.name) for e in ELEMENTS}

    @classmethod
    def from_dict(cls, values: Mapping[str, float | None]) -> "Observation":
        """The inverse of ``to_dict``; unknown names raise TypeError, absent ones are missing."""
        return cls(**values)


ELEMENTS: tuple[Element, ...] = tuple(Element(f.name, **f.metadata) for f in dataclasses.fields(Observation))
SIZES: Mapping[int, int] = {1: 13, 2: 31, 3: len(ELEMENTS)}
_NAMES = {version: tuple(e.name for e in ELEMENTS[:size]) for version, size in SIZES.items()}
_GETTERS = {version: attrgetter(*names) for version, names in _NAMES.items()}


def size(version: int) -> int:
    """How many elements a schema version has. Raises PolicyMismatchError when it is unknown."""
    return len(names(version))


def names(version: int) -> tuple[str, ...]:
    """The element names of a schema version, in order. Raises PolicyMismatchError when it is unknown."""
    try:
        return _NAMES[version]
    except KeyError:
        raise PolicyMismatchError(
            f"observation schema {version} is unknown; known: {', '.join(map(str, SIZES))}"
        ) from None


def _getter(version: int) -> "attrgetter[tuple[float | None, ...]]":
    names(version)
    return _GETTERS[version]
