"""What the tiered shuffle did, over all starts of Spark in this process: batches, sums, tiers, temperature. Pure.

The runner sends one message a micro-batch, and this is what the observation says of them.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Mapping

from sparkiot_driver.temperature import Temperature

JSON = Mapping[str, Any]

KEPT_BATCHES = 20
_SUMS = ("rows", "blocks", "rawBytes", "storedBytes", "readBytes", "rereadBytes", "writeSeconds", "readSeconds")
_OF_TIER = ("blocks", "rawBytes", "storedBytes", "readBytes", "writeSeconds", "readSeconds")
_SHOWN = (
    *("time", "query", "batchId", "wantedTier", "tier", "compression", *_SUMS),
    *("attempts", "seconds", "failures"),
)


class TieredShuffle:
    """Batches that went through the tiered shuffle; nothing of it is there before the first one."""

    def __init__(self) -> None:
        self._kept: deque[dict[str, Any]] = deque(maxlen=KEPT_BATCHES)
        self._batches = 0
        self._totals: dict[str, float] = dict.fromkeys(_SUMS, 0)
        self._retried = 0
        self._tiers: dict[str, dict[str, Any]] = {}
        self._down: list[dict[str, Any]] = []
        self._newest: dict[str, int] = {}
        self._temperature = Temperature()

    def take(self, message: JSON) -> None:
        """One finished batch. Raises KeyError for a message that is malformed."""
        self._batches += 1
        raw, stored = message["rawBytes"], message["storedBytes"]
        self._kept.append(
            {
                "seq": self._batches,
                **{key: message[key] for key in _SHOWN},
                "ratio": round(stored / raw, 4) if raw else None,
            }
        )
        for key in _SUMS:
            self._totals[key] += message[key]
        self._retried += message["attempts"] - 1
        self._down = list(message["down"])
        for name, figures in message["tiers"].items():
            tier = self._tier(name)
            for key in _OF_TIER:
                tier[key] += figures[key]
        for failure in message["failures"]:
            failures = self._tier(failure["tier"])["failures"]
            failures[failure["reason"]] = failures.get(failure["reason"], 0) + 1
        self._measure(message)

    @property
    def newest(self) -> tuple[str, str] | None:
        """Tier and compression that the newest batch was written with; None before the first."""
        return (self._kept[-1]["tier"], self._kept[-1]["compression"]) if self._kept else None

    def to_wire(self) -> dict[str, Any] | None:
        """The observation's ``shuffle``; None where no batch has used the tiered shuffle."""
        if not self._kept:
            return None
        return {
            "batches": list(self._kept),
            "totals": {
                "batches": self._batches,
                "retriedBatches": self._retried,
                **{k: round(v, 6) if k.endswith("Seconds") else int(v) for k, v in self._totals.items()},
            },
            "tiers": [{"tier": name, **figures} for name, figures in self._tiers.items()],
            "down": self._down,
            "temperature": self._temperature.value,
        }

    def _measure(self, message: JSON) -> None:
        """Blocks of a batch that runs again are wanted again, all of them, though they were deleted meanwhile."""
        query, number = message["query"], message["batchId"]
        again = False
        if query is not None and number is not None:
            again = number <= self._newest.get(query, -1)
            self._newest[query] = max(number, self._newest.get(query, -1))
        read = message["segmentBytes"]
        self._temperature.observe(read, read if again else message["rereadBytes"])

    def _tier(self, name: str) -> dict[str, Any]:
        return self._tiers.setdefault(name, {**dict.fromkeys(_OF_TIER, 0), "failures": {}})
