"""``sparkiot demo-live``: a real Spark job on this machine, without a cluster, scaled while its load changes."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cluster import with_api
from .console import console, errors, fail
from .live_run import DRAIN_S, MANAGER, SPARK_S, LiveRun, ready

if TYPE_CHECKING:
    from sparkiot_operator.live_demo import Folder, Load

Json = dict[str, Any]
SAY_S = 3.0


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
            names = {"namespace": parts.NAMESPACE, "name": parts.NAME}
            with_api(files.kubeconfig, lambda api: _Play(api, files, children, **names).run(policy))
    except ProcessFailedError as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("stopped before the load had ended", code=130)


class _Play(LiveRun):
    """One run: the job, its load, what is seen of both."""

    files: "Folder"

    async def run(self, policy: str) -> None:
        import pyspark

        from sparkiot_operator import live_demo as parts

        for path, manifest in parts.manifests(self.files, policy=policy, spark_version=pyspark.__version__):
            await self.api.apply(path, manifest, manager=MANAGER)
        errors.print("starting Spark …")
        await self.until(ready, "the job to be ready", patience_s=SPARK_S)
        errors.print(f"the job was ready after {self.elapsed:.0f} s")
        load = await self._load()
        errors.print("the load has ended; waiting for its last rows …")
        await self.until(lambda _: parts.drained(self.files, load.written), "every row in the sink", patience_s=DRAIN_S)
        status = await self.status()
        errors.print("deleting the job …")
        await self.delete()
        self._report(load, status)

    async def _load(self) -> "Load":
        """Let the load pass, and say now and then what the job does about it."""
        from sparkiot_operator.live_demo import Load

        load, stop = Load(self.files.landing), threading.Event()
        thread = load.start(stop)
        console.print(LINE.format("second", "rows/s", "backlog", "wanted", "running", "latency", "last change"))
        said = float("-inf")
        try:
            while thread.is_alive():
                status = await self.look()
                if self.elapsed - said >= SAY_S:
                    said = self.elapsed
                    console.print(_line(self.elapsed, load.rate(), status), markup=False)
        finally:
            stop.set()
            thread.join()
        if load.error:
            fail(f"the load was not written: {load.error}")
        return load

    def _report(self, load: "Load", status: Json) -> None:
        from sparkiot_operator.live_demo import sink_check

        driver = status.get("driver") or {}
        check = sink_check(self.files, load.written)
        console.print(
            f"\nexecutors: {' → '.join(map(str, self.executors))}\n"
            f"sink: {check}\n"
            f"from an executor's request to its registration: {driver.get('startup', 'not measured')}\n"
            f"decisions: {self.files.audit}    logs: {self.files.path}    took {self.elapsed:.0f} s",
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
