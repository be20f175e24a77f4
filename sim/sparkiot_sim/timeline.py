"""One job's run over time, as columns: what pictures and summaries are made of."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Columns of equal length, one entry a decision; NaN where nobody measured.

    time: epoch seconds. rate, predicted: messages/s. burst: 0 or 1. wanted, running: executors. tier: index.
    latency_ms: at the objective's quantile. latency_target_ms: the objective.
    """

    name: str
    latency_target_ms: float
    time: Column
    rate: Column
    predicted: Column
    burst: Column
    wanted: Column
    running: Column
    tier: Column
    latency_ms: Column
    subtitle: str = ""
