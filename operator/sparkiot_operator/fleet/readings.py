"""What devices say: small JSON that the example jobs read (id, time, device, value), and a few fields more.

A value lies between 0 and 100. Each device has a level of its own, and its readings scatter around it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from sparkiot_sim.generators import Kind


@dataclass(frozen=True, slots=True)
class Profile:
    """topic: of a device, with its name for %s. measures, unit: what the value is. level: mean and standard deviation
    of the devices' levels. scatter: standard deviation of a device's readings."""

    topic: str
    measures: str
    unit: str
    level: tuple[float, float]
    scatter: float


PROFILES: Mapping[Kind, Profile] = {
    Kind.SMART_CITY: Profile("city/%s/telemetry", "speed", "km/h", (46.0, 12.0), 9.0),
    Kind.HEALTHCARE: Profile("ward/%s/vitals", "heartRate", "1/min", (74.0, 7.0), 6.0),
    Kind.INDUSTRIAL: Profile("plant/%s/output", "output", "parts/min", (62.0, 10.0), 4.0),
}
DRAWS = 4096
"""Numbers that are drawn at once: one at a time costs more than the message itself."""


@dataclass(frozen=True, slots=True)
class Reading:
    topic: str
    payload: bytes


class Devices:
    """count devices of a kind, named device-0 and so on; any of them may send next. The same seed says the same."""

    def __init__(self, kind: Kind, *, count: int, seed: int) -> None:
        self._profile = PROFILES[kind]
        self._rng = np.random.default_rng([seed, list(Kind).index(kind), count])
        self._levels = self._rng.normal(*self._profile.level, count)
        self._drawn: list[tuple[int, float]] = []

    def read(self, message_id: int, *, now: float) -> Reading:
        """The next message. now: epoch seconds, its time."""
        if not self._drawn:
            self._drawn = self._draw()
        device, value = self._drawn.pop()
        name = f"device-{device}"
        document = {
            "id": message_id,
            "time": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
            "device": name,
            "value": value,
            "measures": self._profile.measures,
            "unit": self._profile.unit,
        }
        return Reading(self._profile.topic % name, json.dumps(document, separators=(",", ":")).encode())

    def _draw(self) -> list[tuple[int, float]]:
        devices = self._rng.integers(0, self._levels.size, DRAWS)
        values = self._levels[devices] + self._rng.normal(0, self._profile.scatter, DRAWS)
        return list(zip(devices.tolist(), np.clip(values, 0, 100).round(1).tolist(), strict=True))
