"""kill -9 of the operator that leads; another takes the lease when it has run out."""

import signal

from chaos.faults.base import Fault
from chaos.schedule import Kind


class OperatorKilled(Fault):
    """The killed one is started again and stands by."""

    kind = Kind("operator-killed", frozenset({"operator"}))
    about = "kill -9 of the leading operator"

    def inject(self) -> None:
        leader = self.world.leader() or self.world.operators.replicas[int(self.luck * 2)]
        leader.process.end(signal.SIGKILL)
