"""What the edge of a recorded job announced, announced again at the same times."""

from bisect import bisect_right

import numpy as np

from sparkiot_policies.measurement import EdgeSignal

from .course import Stretch


class RecordedEdge:
    """The edge of a stretch. A log says what was believed at a look, not when that signal was made nor how far it
    looked ahead: a signal counts as made at its look, and its horizon as one decision interval."""

    def __init__(self, stretch: Stretch) -> None:
        known = np.isfinite(stretch["predicted"])
        self._times: list[float] = stretch["time"].tolist()
        self._signals: list[EdgeSignal | None] = [
            EdgeSignal(
                time=time,
                horizon_s=stretch.job.interval_s,
                predicted_rate=predicted,
                probability=probability,
                alarm=bool(alarm),
            )
            if fresh
            else None
            for fresh, time, predicted, probability, alarm in zip(
                known.tolist(),
                self._times,
                stretch["predicted"].tolist(),
                np.nan_to_num(stretch["probability"]).tolist(),
                np.nan_to_num(stretch["alarm"]).tolist(),
                strict=True,
            )
        ]

    def signal_at(self, now: float) -> EdgeSignal | None:
        """The signal that was believed last at ``now``, epoch seconds; None where there was none, or a stale one."""
        look = bisect_right(self._times, now) - 1
        return self._signals[look] if look >= 0 else None


def recorded_edge(stretch: Stretch) -> RecordedEdge | None:
    """None for a job that had no edge, or whose edge was silent throughout."""
    return RecordedEdge(stretch) if np.isfinite(stretch["predicted"]).any() else None
