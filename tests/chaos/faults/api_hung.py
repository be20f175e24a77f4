"""The API server takes requests and answers none."""

import contextlib
import os

from chaos.faults.base import LiveFault
from chaos.schedule import Kind


class ApiHung(LiveFault):
    """SIGSTOP: connections stay open, and time out one by one."""

    kind = Kind("api-hung", frozenset({"api"}), 4.0, 8.0)
    about = "SIGSTOP of the API server"
    given = None if os.environ.get("SPARKIOT_APISERVER_PID") else "SPARKIOT_APISERVER_PID does not name its process"

    def inject(self) -> None:
        self._hung = contextlib.ExitStack()
        self._hung.enter_context(self.world.cluster.api_stopped())

    def heal(self) -> None:
        self._hung.close()
