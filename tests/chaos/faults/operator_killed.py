"""kill -9 of the operator that leads; another takes the lease when it has run out."""

import signal

from chaos.faults.base import AT_WORK, Fault
from chaos.schedule import Kind


class OperatorKilled(Fault):
    """The killed one is started again and stands by."""

    kind = Kind("operator-killed", frozenset({"operator"}) | AT_WORK)
    about = "kill -9 of the leading operator"

    def inject(self) -> None:
        self._leader = self.world.leader()
        if self._leader is not None:
            self._leader.process.end(signal.SIGKILL)

    def met(self) -> bool:
        return self._leader is not None
