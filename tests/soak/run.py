"""A soak: embedded cluster and operator as processes of their own, many jobs, and a look every few seconds."""

import asyncio
import contextlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import aiohttp

from sparkiot_operator.bench.figures import Look
from sparkiot_operator.demo import answers, free_port
from sparkiot_operator.embedded import Folder
from sparkiot_operator.errors import ApiError
from sparkiot_operator.kube import KubeApi
from sparkiot_operator.own_namespace import create_all, own_namespace
from sparkiot_operator.processes import Child
from sparkiot_operator.resource.base import seconds

from .actions import Crowd
from .drift import STARVED, Drift, Suspicions, contradictions, differences
from .jobs import ACCELERATION, INTERVAL, NAMESPACE, soak_job
from .sampling import Counters, Table, Watched, audit_tail, collections, disk_mib

OWNER = "sparkiot-soak"
EVENT_TTL = "15m"
"""Instead of Kubernetes' hour: what expires shall do so often enough to be seen not to pile up."""
AUDIT_MIB = 16
AUDIT_FILES = 3
"""Small, so that the audit log is rotated many times."""
READY_S = 600.0
"""A machine that is busy with other things takes minutes to start two interpreters."""
STOP_S = 30.0
CALL_S = 60.0
EVENTS = "/api/v1/events"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """sample_s, action_s: seconds between two samples, and between two actions."""

    folder: Path
    minutes: float
    jobs: int
    seed: int
    sample_s: float = 15.0
    action_s: float = 10.0


class Watcher:
    """Takes samples, and writes what it finds into the folder's tables."""

    def __init__(self, plan: Plan, folder: Folder, api: KubeApi, http: aiohttp.ClientSession, url: str) -> None:
        self._plan = plan
        self._folder = folder
        self._api = api
        self._http = http
        self._url = url
        self._watched: list[Watched] = []
        self._paths: list[str] = []
        self._counters = Counters()
        self._suspicions = Suspicions()
        self._decided = (0.0, time.monotonic())
        self._known: set[str] = set()
        self._begun = time.monotonic()
        path = plan.folder
        fields = [f"{name}_{field}" for name in ("operator", "cluster") for field in Watched.FIELDS]
        looked = (
            "objects",
            "objects_events",
            "disk_mib",
            "compared",
            "agreed_s",
            "starved",
            "sample_s",
            *Counters.FIELDS,
        )
        self.samples = Table(path / "samples.csv", ("time", "minutes", "jobs", *fields, *looked))
        self.drift = Table(path / "drift.csv", ("minutes", "job", "what"))
        self.events = Table(path / "events.csv", ("minutes", "job", "reason", "type"))
        self.actions = Table(path / "actions.csv", ("minutes", "job", "what"))

    @property
    def minutes(self) -> float:
        return round((time.monotonic() - self._begun) / 60, 3)

    async def begin(self, operator: Child, cluster: Child) -> None:
        self._watched = [Watched("operator", operator.pid), Watched("cluster", cluster.pid)]
        self._paths = await collections(self._api)

    async def sample(self) -> None:
        """One row, and what drifted."""
        begun = time.monotonic()
        jobs = await self._api.list_jobs(NAMESPACE)
        look = await self._metrics()
        compared, found = contradictions(jobs, await asyncio.to_thread(audit_tail, self._folder.audit))
        counted = self._counters.look(look)
        starved = self._starved(jobs, counted["decisions"], at=look.at)
        if starved:
            self._suspicions.forget()
        else:
            found |= self._suspicions.take(differences(jobs, look, now=time.time()), now=time.monotonic())
        self._note_drift(found)
        counts = {path: len((await self._api.read(path))["items"]) for path in self._paths if path != EVENTS}
        events = (await self._api.read(EVENTS))["items"]
        self._note_events(events)
        row = {"time": round(time.time(), 3), "minutes": self.minutes, "jobs": len(jobs), "compared": compared}
        row["agreed_s"] = round(self._suspicions.longest_s, 3)
        row |= {key: round(value, 3) for each in self._watched for key, value in each.look().items()}
        row |= {**counted, "starved": int(starved)}
        row |= {"objects": sum(counts.values()) + len(events), "objects_events": len(events)}
        row |= {"disk_mib": round(disk_mib(self._folder.cluster, self._folder.audit), 3)}
        self.samples.add({**row, "sample_s": round(time.monotonic() - begun, 3)})

    def _starved(self, jobs: list[dict[str, Any]], decisions: float, *, at: float) -> bool:
        """Whether far fewer decisions were made since the last look than the running jobs wanted."""
        running = sum(not job["spec"].get("suspend") for job in jobs)
        before, self._decided = self._decided, (decisions, at)
        wanted = running * (at - before[1]) * ACCELERATION / seconds(INTERVAL)
        return decisions - before[0] < STARVED * wanted

    def fail(self, what: str) -> None:
        """Note what kept this program from looking: nobody knows how things were then."""
        self._note_drift([("", what)])

    def _note_drift(self, found: Iterable[Drift]) -> None:
        for job, what in sorted(found):
            self.drift.add({"minutes": self.minutes, "job": job, "what": what})

    def _note_events(self, events: list[dict[str, Any]]) -> None:
        """Those that are new since the last look."""
        uids = {event["metadata"]["uid"] for event in events}
        for event in events:
            if event["metadata"]["uid"] not in self._known and event["involvedObject"]["kind"] == "SparkIoTJob":
                about = {"job": event["involvedObject"]["name"], "reason": event["reason"], "type": event["type"]}
                self.events.add({"minutes": self.minutes, **about})
        self._known = uids

    async def _metrics(self) -> Look:
        async with self._http.get(f"{self._url}/metrics") as answer:
            answer.raise_for_status()
            return Look.of(await answer.text(), at=time.monotonic())

    def close(self) -> None:
        for table in (self.samples, self.drift, self.events, self.actions):
            table.close()


async def soak(plan: Plan, folder: Folder, operator: Child, cluster: Child, url: str) -> None:
    """Run the jobs for the plan's time. Raises ApiError or ProcessFailedError."""
    async with (
        KubeApi(timeout_s=CALL_S) as api,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_S)) as http,
        own_namespace(api, NAMESPACE, owner=OWNER, say=print) as place,
    ):
        watcher = Watcher(plan, folder, api, http, url)
        with contextlib.closing(watcher):
            await watcher.begin(operator, cluster)
            await create_all(api, [soak_job(number) for number in range(plan.jobs)], place, done=lambda _: None)
            crowd = Crowd(api, jobs=plan.jobs, random=Random(plan.seed))
            until = time.monotonic() + plan.minutes * 60
            async with asyncio.TaskGroup() as group:
                group.create_task(_sample(watcher, plan.sample_s, until, (operator, cluster)))
                group.create_task(_act(crowd, watcher, plan.action_s, until))
            await crowd.restore()
            print(f"{plan.minutes:g} minutes are over")


async def _sample(watcher: Watcher, every_s: float, until: float, children: tuple[Child, ...]) -> None:
    due = time.monotonic() + every_s
    while due < until:
        await asyncio.sleep(max(due - time.monotonic(), 0.0))
        for child in children:
            child.check()
        try:
            await watcher.sample()
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            watcher.fail(f"no sample: {error!r}")
        due = max(due + every_s, time.monotonic())


async def _act(crowd: Crowd, watcher: Watcher, every_s: float, until: float) -> None:
    while time.monotonic() + every_s < until:
        await asyncio.sleep(every_s)
        try:
            job, what = await crowd.act()
        except ApiError as error:
            job, what = "", f"failed: {error}"
        watcher.actions.add({"minutes": watcher.minutes, "job": job, "what": what})


@contextlib.contextmanager
def started(folder: Folder) -> Any:
    """The two processes; (operator, cluster, address of the operator's health server)."""
    folder.prepare()
    port = free_port()
    dev = ("dev", "--port", "0", "--kubeconfig", str(folder.kubeconfig), "--data", str(folder.cluster))
    with Child([*dev, "--event-ttl", EVENT_TTL], log=folder.cluster_log, stop_s=STOP_S) as cluster:
        cluster.wait_until(folder.kubeconfig.exists, timeout_s=READY_S)
        arguments = [
            *("operator", "--namespace", NAMESPACE, "--kubeconfig", str(folder.kubeconfig)),
            *("--health-port", str(port), "--dashboard", "--dashboard-port", "0"),
            *("--audit-dir", str(folder.audit)),
            *("--audit-max-mebibytes", str(AUDIT_MIB), "--audit-files", str(AUDIT_FILES)),
        ]
        with Child(arguments, log=folder.operator_log, stop_s=STOP_S) as operator:
            url = f"http://127.0.0.1:{port}"
            operator.wait_until(lambda: answers(f"{url}/readyz"), timeout_s=READY_S)
            yield operator, cluster, url
