"""The wall clock of both operators jumps, and jumps back; see ``chaos.clocked`` for what is real about it."""

from typing import ClassVar

from chaos.faults.base import Fault
from chaos.schedule import Kind

LASTS = (4.0, 8.0)
LEAST_S, MOST_S = 60.0, 7200.0


class ClockJump(Fault):
    """sign: of the first jump; the second one is its opposite."""

    sign: ClassVar[int]

    def inject(self) -> None:
        self._set(self.sign * (LEAST_S + self.luck * (MOST_S - LEAST_S)))

    def heal(self) -> None:
        self._set(0.0)

    def _set(self, offset_s: float) -> None:
        for replica in self.world.operators.replicas:
            replica.set_clock(offset_s)


class ClockForward(ClockJump):
    """As where a clock that was behind is set right."""

    kind = Kind("clock-forward", frozenset({"clock"}), *LASTS)
    about = "the operators' clock jumps one minute to two hours ahead, and back"
    sign = 1


class ClockBack(ClockJump):
    """Times that were noted lie in the future then."""

    kind = Kind("clock-back", frozenset({"clock"}), *LASTS)
    about = "the operators' clock jumps one minute to two hours back, and ahead again"
    sign = -1
