"""One real job of a calibration: what it is told, and everything that its driver says of it."""

import asyncio
import base64
import time
from collections.abc import Callable, Sequence
from typing import Any

from sparkiot_operator.driver_client import DriverClient
from sparkiot_operator.errors import ApiNotFoundError, CalibrateError, DriverUnreachableError
from sparkiot_operator.kube import KubeApi
from sparkiot_operator.processes import Child
from sparkiot_operator.resource import GROUP, PLURAL, VERSION
from sparkiot_operator.resource.status import Phase
from sparkiot_operator.spark import naming
from sparkiot_operator.spark.report import BatchReport, DriverReport
from sparkiot_sim.calibrate.records import ExecutorCount

Json = dict[str, Any]
MANAGER = "sparkiot-calibrate"
LOOK_S = 0.25
START_S = 240.0
PATIENCE_S = 180.0
"""How long anything else may take: two busy cores start an executor in half a minute."""


class LiveJob:
    """A job on the embedded cluster. ``look`` is the only thing that takes in what the driver says."""

    def __init__(self, api: KubeApi, drivers: DriverClient, manifest: Json, children: Sequence[Child]) -> None:
        self._api = api
        self._drivers = drivers
        self._manifest = manifest
        self._children = children
        self.name: str = manifest["metadata"]["name"]
        self._namespace: str = manifest["metadata"]["namespace"]
        self._base = naming.base_name(self.name)
        self._endpoint: tuple[str, str] | None = None
        self._seen: int | None = None
        self._here: dict[tuple[str, float], float | None] = {}
        self._gone: dict[tuple[str, float], float] = {}
        self.batches: list[BatchReport] = []

    async def start(self) -> None:
        """Make the job, and wait until it runs. Raises CalibrateError when it does not."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._namespace}}
        await self._api.apply(f"/api/v1/namespaces/{self._namespace}", namespace, manager=MANAGER)
        await self._apply()
        await self.until(
            lambda report: any(query.active for query in report.queries) and report.executors.running == 1,
            "the job to run with one executor",
            patience_s=START_S,
        )

    async def delete(self) -> None:
        """Delete the job, and wait until the operator has cleared it away."""
        found = await self._api.read_job(self._namespace, self.name)
        await self._api.delete_job(self._namespace, self.name, uid=found["metadata"]["uid"])
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                await self._api.read_job(self._namespace, self.name)
            except ApiNotFoundError:
                return
            await asyncio.sleep(LOOK_S)
        raise CalibrateError(f"job {self.name} was not gone {PATIENCE_S:.0f} s after its deletion")

    async def pin(self, executors: int) -> None:
        """Ask for a number of executors, and do not wait."""
        self._manifest["spec"]["scaling"]["executors"]["override"] = executors
        await self._apply()

    async def set_memory(self, memory: str) -> None:
        """Ask for another memory of the executors, which restarts the job; do not wait."""
        self._manifest["spec"]["scaling"]["memory"] = {"min": memory, "max": memory}
        await self._apply()

    async def look(self) -> DriverReport | None:
        """After a moment, what the driver says; None while none answers."""
        await asyncio.sleep(LOOK_S)
        for child in self._children:
            child.check()
        try:
            report = await self._ask()
        except DriverUnreachableError:
            self._endpoint = None
            return None
        if report is not None:
            self._take(report)
        return report

    async def until(
        self, done: Callable[[DriverReport], bool], what: str, *, patience_s: float = PATIENCE_S
    ) -> DriverReport:
        """The first report of which ``done`` is true. Raises CalibrateError when none comes in time."""
        until = time.monotonic() + patience_s
        while True:
            report = await self.look()
            if report is not None and done(report):
                return report
            if report is None and (why := await self._failure()):
                raise CalibrateError(f"job {self.name} failed: {why}")
            if time.monotonic() > until:
                raise CalibrateError(f"job {self.name}: waited {patience_s:.0f} s for {what}")

    async def executor_pods(self) -> int:
        """How many executor pods there are, those that end included."""
        return len(await self._api.list_pods(self._namespace, naming.executor_selector(self.name)))

    def startups(self, since: float) -> list[float]:
        """Seconds from request to registration of the executors that registered after ``since``, epoch seconds."""
        return [took for (_, at), took in self._here.items() if at > since and took is not None]

    def executor_counts(self, start: float, end: float) -> tuple[ExecutorCount, ...]:
        """How many were registered at ``start``, and after each change up to ``end``; epoch seconds."""
        changes = [(at, 1) for _, at in self._here] + [(at, -1) for at in self._gone.values()]
        before = sum(change for at, change in changes if at <= start)
        counts = [ExecutorCount(time=start, count=before)]
        for at, change in sorted(c for c in changes if start < c[0] <= end):
            counts.append(ExecutorCount(time=at, count=counts[-1].count + change))
        return tuple(counts)

    async def _failure(self) -> str | None:
        """Why the job has failed, in the operator's words; None while it has not."""
        status = (await self._api.read_job(self._namespace, self.name)).get("status") or {}
        if status.get("phase") != Phase.FAILED:
            return None
        ready = [c["message"] for c in status.get("conditions", []) if c["type"] == "Ready"]
        return ready[0] if ready else "the operator does not say why"

    async def _apply(self) -> None:
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{self._namespace}/{PLURAL}/{self.name}"
        await self._api.apply(path, self._manifest, manager=MANAGER)

    async def _ask(self) -> DriverReport | None:
        if self._endpoint is None:
            self._endpoint = await self._find()
        if self._endpoint is None:
            return None
        ip, token = self._endpoint
        return await self._drivers.observation(ip, token, self._seen)

    async def _find(self) -> tuple[str, str] | None:
        """Address and token of the driver; None while it has no address."""
        try:
            pod = await self._api.read(f"/api/v1/namespaces/{self._namespace}/pods/{self._base}")
            secret = await self._api.read(f"/api/v1/namespaces/{self._namespace}/secrets/{self._base}")
        except ApiNotFoundError:
            return None
        ip = pod.get("status", {}).get("podIP")
        return (ip, base64.b64decode(secret["data"]["token"]).decode()) if ip else None

    def _take(self, report: DriverReport) -> None:
        self._seen = report.last_seq or self._seen
        self.batches += report.batches
        present = {(e.id, e.registered_at): e for e in report.executors.list_ if e.registered_at is not None}
        for key, executor in present.items():
            self._here.setdefault(key, executor.startup_seconds)
        removed = {r.id: r.time for r in report.executors.removed if r.time is not None}
        for key in self._here.keys() - self._gone.keys() - present.keys():
            # A restart begins its numbers anew: a removal before the registration is another one's.
            at = removed.get(key[0])
            self._gone[key] = at if at is not None and at > key[1] else report.time
