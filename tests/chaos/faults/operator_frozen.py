"""The operator that leads stands still for longer than its lease, and wakes up when another has its jobs."""

import contextlib
import os
import signal

from chaos.faults.base import AT_WORK, Fault
from chaos.operators import LEASE_S
from chaos.schedule import Kind


class OperatorFrozen(Fault):
    """It must not act any more; whether it does is what the tests of two operators ask the API server's log."""

    kind = Kind("operator-frozen", frozenset({"operator"}) | AT_WORK, LEASE_S + 1, LEASE_S + 4)
    about = "SIGSTOP of the leading operator for longer than its lease"

    def inject(self) -> None:
        leader = self.world.leader()
        self._pid = leader.process.pid if leader is not None else None
        self._send(signal.SIGSTOP)

    def heal(self) -> None:
        self._send(signal.SIGCONT)

    def met(self) -> bool:
        return self._pid is not None

    def _send(self, number: signal.Signals) -> None:
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, number)
