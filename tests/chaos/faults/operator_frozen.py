"""The operator that leads stands still for longer than its lease, and wakes up when another has its jobs."""

import contextlib
import os
import signal

from chaos.faults.base import Fault
from chaos.operators import LEASE_S
from chaos.schedule import Kind


class OperatorFrozen(Fault):
    """It must not act any more; whether it does is what the tests of two operators ask the API server's log."""

    kind = Kind("operator-frozen", frozenset({"operator"}), LEASE_S + 1, LEASE_S + 4)
    about = "SIGSTOP of the leading operator for longer than its lease"

    def inject(self) -> None:
        self._pid = (self.world.leader() or self.world.operators.replicas[int(self.luck * 2)]).process.pid
        self._send(signal.SIGSTOP)

    def heal(self) -> None:
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, number)
