"""``sparkiot demo-live``: a real Spark job on this machine, without a cluster, scaled while its load changes."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cluster import with_api
from .console import console, errors, fail

if TYPE_CHECKING:
    from sparkiot_operator.kube import KubeApi
    from sparkiot_operator.live_demo import Folder, Load
    from sparkiot_operator.processes import Child

Json = dict[str, Any]
SPARK_S = 120.0
DRAIN_S = 60.0
STOP_S = 90.0
LOOK_S = 0.5
SAY_S = 3.0
MANAGER = "sparkiot-demo"


def demo_live(
    folder: Annotated[Path, typer.Option(help="Where logs, objects, data and audit log go.")] = Path("runs/demo-live"),
    policy: Annotated[str, typer.Option(help="Policy that decides.")] = "default",
) -> None:
    """Run one real Spark job on an embedded cluster, raise its load fourfold, and let it fall again."""
    from sparkiot_operator import live_demo as parts
    from sparkiot_operator.embedded import embedded_operator
    from sparkiot_operator.processes import ProcessFailedError, ended_by_sigterm

    if missing := parts.missing_packages():
        fail(f"not installed: {', '.join(missing)}; pip install 'sparkiot[spark]' brings Spark and a Java runtime")
    files = parts.Folder(folder)
    try:
        files.prepare()
    except OSError as error:
        fail(f"{folder} cannot be used: {error}")
    try:
        with ended_by_sigterm(), embedded_operator(files, say=errors.print) as children:
            errors.print(
                f"watch it from another shell:\n  export KUBECONFIG={files.kubeconfig}\n"
                f"  kubectl -n {parts.NAMESPACE} get sij,pods\n"
                f"  kubectl -n {parts.NAMESPACE} logs -f {parts.NAME}-driver\n",
                markup=False,
                soft_wrap=True,
            )
            with_api(files.kubeconfig, lambda api: _Play(api, files, children).run(policy))
    except ProcessFailedError as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("stopped before the load had ended", code=130)


class _Play:
    """One run: the job, its load, what is seen of both."""

    def __init__(self, api: "KubeApi", files: "Folder", children: "Sequence[Child]") -> None:
        self._api = api
        self._files = files
        self._children = children
        self._begun = time.monotonic()
        self._executors: list[int] = []

    async def run(self, policy: str) -> None:
        import pyspark

        from sparkiot_operator import live_demo as parts

        for path, manifest in parts.manifests(self._files, policy=policy, spark_version=pyspark.__version__):
            await self._api.apply(path, manifest, manager=MANAGER)
        errors.print("starting Spark …")
        await self._until(_ready, "the job to be ready", patience_s=SPARK_S)
        errors.print(f"the job was ready after {self._elapsed:.0f} s")
        load = await self._load()
        errors.print("the load has ended; waiting for its last rows …")
        await self._until(
            lambda _: parts.drained(self._files, load.written), "every row in the sink", patience_s=DRAIN_S
        )
        status = await self._status()
        errors.print("deleting the job …")
        await self._delete()
        self._report(load, status)

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._begun

    async def _load(self) -> "Load":
        """Let the load pass, and say now and then what the job does about it."""
        from sparkiot_operator.live_demo import Load

        load, stop = Load(self._files.landing), threading.Event()
        thread = load.start(stop)
        console.print(LINE.format("second", "rows/s", "backlog", "wanted", "running", "latency", "last change"))
        said = float("-inf")
        try:
            while thread.is_alive():
                status = await self._look()
                if self._elapsed - said >= SAY_S:
                    said = self._elapsed
                    console.print(_line(self._elapsed, load.rate(), status), markup=False)
        finally:
            stop.set()
            thread.join()
        if load.error:
            fail(f"the load was not written: {load.error}")
        return load

    async def _look(self) -> Json:
        from sparkiot_operator.processes import ProcessFailedError

        await asyncio.sleep(LOOK_S)
        for child in self._children:
            child.check()
        status = await self._status()
        if status.get("phase") == "Failed":
            raise ProcessFailedError(f"the job failed: {_not_ready(status)}; see kubectl logs in {self._files.cluster}")
        running = status.get("replicas")
        if running is not None and self._executors[-1:] != [running]:
            self._executors.append(running)
        return status

    async def _until(self, done: Callable[[Json], bool], what: str, *, patience_s: float) -> None:
        from sparkiot_operator.processes import ProcessFailedError

        until = time.monotonic() + patience_s
        while not done(status := await self._look()):
            if time.monotonic() > until:
                raise ProcessFailedError(
                    f"waited {patience_s:.0f} s for {what}: {_not_ready(status)}; logs are in {self._files.path}"
                )

    async def _status(self) -> Json:
        from sparkiot_operator.live_demo import NAME, NAMESPACE

        found = await self._api.read_job(NAMESPACE, NAME)
        return dict(found.get("status") or {})

    async def _delete(self) -> None:
        from sparkiot_operator.errors import ApiNotFoundError
        from sparkiot_operator.live_demo import NAME, NAMESPACE

        job = await self._api.read_job(NAMESPACE, NAME)
        await self._api.delete_job(NAMESPACE, NAME, uid=job["metadata"]["uid"])
        until = time.monotonic() + STOP_S
        while time.monotonic() < until:
            try:
                await self._api.read_job(NAMESPACE, NAME)
            except ApiNotFoundError:
                return
            await asyncio.sleep(LOOK_S)
        fail(f"the job was not gone {STOP_S:.0f} s after its deletion; see {self._files.operator_log}")

    def _report(self, load: "Load", status: Json) -> None:
        from sparkiot_operator.live_demo import sink_check

        driver = status.get("driver") or {}
        check = sink_check(self._files, load.written)
        console.print(
            f"\nexecutors: {' → '.join(map(str, self._executors))}\n"
            f"sink: {check}\n"
            f"from an executor's request to its registration: {driver.get('startup', 'not measured')}\n"
            f"decisions: {self._files.audit}    logs: {self._files.path}    took {self._elapsed:.0f} s",
            markup=False,
            soft_wrap=True,
        )
        if not check.exactly_once:
            fail("the sink does not hold each row exactly once")


LINE = "{:>6}  {:>6}  {:>7}  {:>6}  {:>7}  {:>8}  {}"


def _line(elapsed: float, rate: float, status: Json) -> str:
    latency, decision = status.get("latency") or {}, status.get("decision") or {}
    cells = (
        status.get("backlog"),
        (status.get("allocation") or {}).get("executors"),
        status.get("replicas"),
        latency.get("observed"),
        " ".join([decision.get("reason", "–"), *decision.get("clamps", [])]),
    )
    return LINE.format(f"{elapsed:.0f}", f"{rate:.0f}", *("–" if cell is None else cell for cell in cells))


def _ready(status: Json) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))


def _not_ready(status: Json) -> str:
    found = [c for c in status.get("conditions", []) if c["type"] == "Ready"]
    return f"{found[0]['reason']}: {found[0]['message']}" if found else "the operator has not looked at the job"
