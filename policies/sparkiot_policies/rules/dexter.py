"""Dexter: reactive steps on CPU utilisation. Source: the reactive baseline of the thesis arena.

Executors are counted by the index of the thesis' action (0 is one executor, 19 is twenty).
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from sparkiot_policies.allocation import ACTION_SIZES, Allocation
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job

from .base import Rule, Sweep
from .fixed import THESIS
from .parameters import parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Dexter(Rule):
    """Memory, tier and compression stay those of the thesis: 4 GiB, warm, LZ4."""

    NAME: ClassVar[str] = "Dexter"
    NEEDS: ClassVar[tuple[str, ...]] = ("cpu",)
    SWEEP: ClassVar[Sweep] = Sweep("cpu_high", (40, 50, 60, 70, 80, 90))
    start: int = parameter(10, "index", "executor index before its first step", least=0, most=ACTION_SIZES[0] - 1)
    cpu_high: float = parameter(80.0, "%", "CPU utilisation above which it adds executors", above=0, most=100)
    cpu_low: float = parameter(30.0, "%", "CPU utilisation below which it removes executors", least=0, most=100)
    step_up: int = parameter(2, "executors", "added at once", least=1)
    step_down: int = parameter(1, "executors", "removed at once", least=1)

    def __post_init__(self) -> None:
        Rule.__post_init__(self)
        if self.cpu_low >= self.cpu_high:
            raise ValueError(f"cpu_low {self.cpu_low:g} must be below cpu_high, which is {self.cpu_high:g}")

    def propose(self, job: Job, evaluation: Evaluation) -> Allocation:
        (cpu,) = self.measured(evaluation.observation)
        history = evaluation.history
        index = history.allocation.executors - 1 if history.proposals else self.start
        if cpu > self.cpu_high:
            index = min(index + self.step_up, ACTION_SIZES[0] - 1)
        elif cpu < self.cpu_low:
            index = max(index - self.step_down, 0)
        return replace(THESIS, executors=index + 1)
