"""A live job that a demo watches: what both demos of real Spark share."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .console import fail

if TYPE_CHECKING:
    from sparkiot_operator.embedded import Folder
    from sparkiot_operator.kube import KubeApi
    from sparkiot_operator.processes import Child

Json = dict[str, Any]
SPARK_S = 120.0
DRAIN_S = 60.0
STOP_S = 90.0
LOOK_S = 0.5
MANAGER = "sparkiot-demo"


class LiveRun:
    """One job of the embedded cluster. children: processes without which it would not go on."""

    def __init__(
        self, api: "KubeApi", files: "Folder", children: "Sequence[Child]", *, namespace: str, name: str
    ) -> None:
        self.api = api
        self.files = files
        self.executors: list[int] = []
        """Running, each time that their number changed."""
        self.children = children
        self._namespace, self._name = namespace, name
        self._begun = time.monotonic()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._begun

    async def look(self) -> Json:
        """The job's status, a moment later. Raises ProcessFailedError when the job or a child has failed."""
        from sparkiot_operator.processes import ProcessFailedError

        await asyncio.sleep(LOOK_S)
        for child in self.children:
            child.check()
        status = await self.status()
        if status.get("phase") == "Failed":
            raise ProcessFailedError(f"the job failed: {not_ready(status)}; see kubectl logs in {self.files.cluster}")
        running = status.get("replicas")
        if running is not None and self.executors[-1:] != [running]:
            self.executors.append(running)
        return status

    async def until(self, done: Callable[[Json], bool], what: str, *, patience_s: float) -> None:
        """Raises ProcessFailedError when it does not come."""
        from sparkiot_operator.processes import ProcessFailedError

        until = time.monotonic() + patience_s
        while not done(status := await self.look()):
            if time.monotonic() > until:
                raise ProcessFailedError(
                    f"waited {patience_s:.0f} s for {what}: {not_ready(status)}; logs are in {self.files.path}"
                )

    async def status(self) -> Json:
        found = await self.api.read_job(self._namespace, self._name)
        return dict(found.get("status") or {})

    async def delete(self) -> None:
        from sparkiot_operator.errors import ApiNotFoundError

        job = await self.api.read_job(self._namespace, self._name)
        await self.api.delete_job(self._namespace, self._name, uid=job["metadata"]["uid"])
        until = time.monotonic() + STOP_S
        while time.monotonic() < until:
            try:
                await self.api.read_job(self._namespace, self._name)
            except ApiNotFoundError:
                return
            await asyncio.sleep(LOOK_S)
        fail(f"the job was not gone {STOP_S:.0f} s after its deletion; see {self.files.operator_log}")


def ready(status: Json) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))


def not_ready(status: Json) -> str:
    found = [c for c in status.get("conditions", []) if c["type"] == "Ready"]
    return f"{found[0]['reason']}: {found[0]['message']}" if found else "the operator has not looked at the job"
