"""Dexter: reactive steps on CPU utilisation. Source: the reactive baseline of the thesis arena.

Executors are counted by the index of the thesis' action (0 is one executor, 19 is twenty).
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from sparkiot_policies.allocation import ACTION_SIZES, Allocation
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job

from .base import Rule
from .fixed import THESIS


@dataclass(frozen=True, slots=True, kw_only=True)
class Dexter(Rule):
    """Executor index up by ``step_up`` above ``cpu_high`` (percent), down by ``step_down`` below ``cpu_low``.

    start: executor index before its first step. Memory, tier and compression: 4 GiB, warm, LZ4.
    """

    NAME: ClassVar[str] = "Dexter"
    NEEDS: ClassVar[tuple[str, ...]] = ("cpu",)
    start: int = 10
    cpu_high: float = 80.0
    cpu_low: float = 30.0
    step_up: int = 2
    step_down: int = 1

    def propose(self, job: Job, evaluation: Evaluation) -> Allocation:
        (cpu,) = self.measured(evaluation.observation)
        history = evaluation.history
        index = history.allocation.executors - 1 if history.proposals else self.start
        if cpu > self.cpu_high:
            index = min(index + self.step_up, ACTION_SIZES[0] - 1)
        elif cpu < self.cpu_low:
            index = max(index - self.step_down, 0)
        return replace(THESIS, executors=index + 1)
