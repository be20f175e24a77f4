"""Which shuffle tiers were used, and whether data that is read again lay on the fast ones."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sparkiot_policies.allocation import TIERS, Tier

HOT_DATA, COLD_DATA = 0.7, 0.3
"""Temperatures from which and up to which data counts as hot and as cold. Source: the thesis' penalty, and its mirror
image."""
FAST = (Tier.HOT, Tier.WARM)


@dataclass(frozen=True, slots=True)
class TierUse:
    """Shares of time. shares: on each tier, in the order of TIERS. hot_on_fast, cold_on_fast: on the hot or the warm
    tier, of the time in which the data was hot or cold; None where it never was."""

    shares: tuple[float, ...]
    hot_on_fast: float | None
    cold_on_fast: float | None

    def to_dict(self) -> dict[str, float | None]:
        """Flat: ``tier_hot`` and so on, ``hot_data_on_fast``, ``cold_data_on_fast``."""
        return {
            **{f"tier_{tier.value.lower()}": share for tier, share in zip(TIERS, self.shares, strict=True)},
            "hot_data_on_fast": self.hot_on_fast,
            "cold_data_on_fast": self.cold_on_fast,
        }


def tier_use(tiers: Sequence[int], temperatures: Sequence[float | None]) -> TierUse:
    """Of as many equal stretches of time; tiers as indices into TIERS."""
    used = np.asarray(tiers, dtype=np.int64)
    heat = np.array([math.nan if value is None else value for value in temperatures], dtype=np.float64)
    fast = np.isin(used, [tier.code for tier in FAST])

    def share(of: npt.NDArray[np.bool_]) -> float | None:
        return float(fast[of].mean()) if of.any() else None

    shares = np.bincount(used, minlength=len(TIERS)) / max(len(used), 1)
    return TierUse(tuple(shares.tolist()), share(heat >= HOT_DATA), share(heat <= COLD_DATA))
