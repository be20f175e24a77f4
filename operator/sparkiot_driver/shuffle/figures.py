"""What one batch of the tiered shuffle wrote and read, as the driver reports it. Pure."""

from __future__ import annotations

from typing import Any, Iterable, Mapping

from sparkiot_driver.shuffle.link import Wanted
from sparkiot_driver.shuffle.reads import Readings


class Figures:
    """Sums over all exchanges and attempts of a batch."""

    def __init__(self, wanted: Wanted, first: str) -> None:
        """wanted: by the allocation as the batch began. first: the tier that its tasks were told to try first."""
        self._wanted = wanted
        self.attempt(first)
        self._tiers: dict[str, dict[str, float]] = {}
        self._rows = 0
        self._failures: dict[tuple[str, str], str] = {}

    def attempt(self, first: str) -> None:
        """The batch begins, or begins again; ``first`` is as above."""
        self._used: dict[str, int] = {first: 0}

    def wrote(self, tier: str, *, rows: int, raw_bytes: int, stored_bytes: int, seconds: float) -> None:
        """A block that counts: its task was the one that Spark took."""
        figures = self._tier(tier)
        figures["blocks"] += 1
        figures["rawBytes"] += raw_bytes
        figures["storedBytes"] += stored_bytes
        figures["writeSeconds"] += seconds
        self._rows += rows
        self._used[tier] = self._used.get(tier, 0) + stored_bytes

    def failed(self, tier: str, reason: str, message: str) -> None:
        """A tier that failed; it counts once a reason, however many tasks met it."""
        self._failures.setdefault((tier, reason), message)

    def message(
        self,
        readings: Readings,
        *,
        query: str | None,
        number: int | None,
        attempts: int,
        time: float,
        seconds: float,
        down: Iterable[Mapping[str, Any]],
    ) -> dict[str, Any]:
        """The message of the runner to its supervisor. time: epoch seconds of the commit; seconds: of the batch."""
        for tier, (spent, stored) in readings.by_tier.items():
            self._tier(tier)["readSeconds"] += spent
            self._tier(tier)["readBytes"] += stored
        tiers = {tier: _rounded(figures) for tier, figures in self._tiers.items()}
        sums = {key: sum(figures[key] for figures in tiers.values()) for key in _EMPTY}
        return {
            "type": "shuffle",
            "time": time,
            "query": query,
            "batchId": number,
            "wantedTier": self._wanted.tier,
            "tier": max(self._used, key=lambda tier: self._used[tier]),
            "compression": self._wanted.compression,
            "rows": self._rows,
            **_rounded(sums),
            "segmentBytes": readings.segment_bytes,
            "rereadBytes": readings.again_bytes,
            "seconds": round(seconds, 6),
            "attempts": attempts,
            "failures": [
                {"tier": tier, "reason": reason, "message": message}
                for (tier, reason), message in self._failures.items()
            ],
            "tiers": tiers,
            "down": list(down),
        }

    def _tier(self, tier: str) -> dict[str, float]:
        return self._tiers.setdefault(tier, dict(_EMPTY))


_EMPTY: dict[str, float] = dict.fromkeys(
    ("blocks", "rawBytes", "storedBytes", "readBytes", "writeSeconds", "readSeconds"), 0
)


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {key: round(value, 6) if key.endswith("Seconds") else int(value) for key, value in figures.items()}
