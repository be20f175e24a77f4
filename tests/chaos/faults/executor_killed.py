"""kill -9 of the live job's executor, in whatever it does."""

import contextlib

from chaos.client import View
from chaos.faults.base import LiveFault
from chaos.jobs import LIVE
from chaos.schedule import Kind


class ExecutorKilled(LiveFault):
    """Spark asks for another one."""

    kind = Kind("executor-killed", frozenset({"pods"}))
    about = "kill -9 of the executor"

    def inject(self) -> None:
        self._killed = False
        view = self.world.look()
        for name in executors(view) if view else []:
            with contextlib.suppress(AssertionError):
                self.world.cluster.kill_executor(name)
                self._killed = True
                return

    def met(self) -> bool:
        return self._killed


def executors(view: View) -> list[str]:
    """Names of the live job's executor pods that run."""
    labels = {"sparkiot.dev/job": LIVE, "app.kubernetes.io/component": "executor"}
    return [
        pod["metadata"]["name"]
        for pod in view.pods
        if labels.items() <= (pod["metadata"].get("labels") or {}).items() and pod["status"].get("phase") == "Running"
    ]
