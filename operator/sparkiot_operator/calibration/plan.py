"""What a calibration lets real Spark do, and how many steps its progress has."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One program. Repeats are of every size on every number of executors.

    warm_batches: that a fresh driver runs before anything counts; its first ones take many times longer, and after a
    minute they still become shorter.
    load: seconds, rows/s and executors of each stretch of the load that tests the constants.
    restarts: how often the memory is changed. sorts, held: working sets over an executor's usable memory; the latter
    grow until the executor dies.
    """

    executors: tuple[int, ...] = (1, 3, 2)
    rows: tuple[int, ...] = (12, 240, 720)
    repeats: int = 3
    warm_batches: int = 24
    warm_rows: int = 60
    load: tuple[tuple[float, float, int], ...] = ((20.0, 15.0, 1), (35.0, 60.0, 3), (20.0, 15.0, 2))
    restarts: int = 2
    sorts: tuple[float, ...] = (0.25, 0.5, 0.75, 1.25, 1.75, 2.5)
    held: tuple[float, ...] = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0)
    sort_repeats: int = 3

    @property
    def steps(self) -> int:
        """Of the progress bar: starts, batches, scalings, seconds of load in tens, restarts."""
        sweep = len(self.executors) * (2 + self.repeats * len(self.rows))
        loaded = sum(round(seconds / 10) for seconds, _, _ in self.load)
        pressure = 1 + self.sort_repeats * len(self.sorts) + len(self.held) if self.sorts else 0
        return 1 + self.warm_batches + sweep + loaded + self.restarts + pressure


FULL = Plan()
QUICK = Plan(
    executors=(1, 2), rows=(12, 240), repeats=2, warm_batches=4, load=((10.0, 15.0, 1),), restarts=0, sorts=(), held=()
)
"""The cost of a batch and of an executor's start only: about a minute."""
