"""kill -9 of the live job's driver: the next one goes on from the checkpoint."""

import contextlib

from chaos.faults.base import LiveFault
from chaos.jobs import LIVE
from chaos.schedule import Kind


class DriverKilled(LiveFault):
    """On a cluster that was given its pod is deleted by force, as a lost node does."""

    kind = Kind("driver-killed", frozenset({"pods"}))
    about = "kill -9 of the driver"

    def inject(self) -> None:
        self._killed = False
        with contextlib.suppress(AssertionError):  # it is between two drivers, and there is none to kill
            self.world.cluster.kill_driver(f"{LIVE}-driver")
            self._killed = True

    def met(self) -> bool:
        return self._killed
