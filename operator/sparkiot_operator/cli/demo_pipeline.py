"""``sparkiot demo-pipeline``: devices, broker, gateway, landing folder and a live job, with the edge and without."""

import contextlib
import math
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .cluster import with_api
from .console import Output, console, errors, fail, print_json, print_rows
from .live_run import DRAIN_S, MANAGER, SPARK_S, LiveRun, ready

if TYPE_CHECKING:
    from rich.console import Console

    from sparkiot_operator.fleet.sender import Fleet
    from sparkiot_operator.pipeline.outcome import BurstOutcome
    from sparkiot_operator.pipeline.scene import Folder
    from sparkiot_operator.pipeline.watch import SignalLog
    from sparkiot_operator.processes import Child

Json = dict[str, Any]
SAY_S = 4.0
READY_S = 30.0
LINE = "{:>6}  {:>5}  {:>10}  {:>6}  {:>6}  {:>7}  {:>8}  {}"


def demo_pipeline(
    folder: Annotated[Path, typer.Option(help="Where logs, objects, data and audit log go.")] = Path(
        "runs/demo-pipeline"
    ),
    policy: Annotated[str, typer.Option(help="Policy that decides.")] = "RateAhead",
    edge_last: Annotated[bool, typer.Option("--edge-last", help="The burst without the edge comes first.")] = False,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="table for people, json for machines.")
    ] = Output.TABLE,
) -> None:
    """Run the whole pipe on this machine, and one burst twice: announced by the edge, and not announced."""
    from sparkiot_operator.live_demo import missing_packages
    from sparkiot_operator.pipeline import scene
    from sparkiot_operator.processes import ProcessFailedError, ended_by_sigterm

    if missing := missing_packages():
        fail(f"not installed: {', '.join(missing)}; pip install 'sparkiot[spark]' brings Spark and a Java runtime")
    files = scene.Folder(folder)
    try:
        files.prepare()
    except OSError as error:
        fail(f"{folder} cannot be used: {error}")
    try:
        with ended_by_sigterm(), _broker_and_cluster(files) as (children, broker_url):
            names = {"namespace": scene.NAMESPACE, "name": scene.NAME}
            order = (False, True) if edge_last else (True, False)
            play = _Script(policy=policy, broker_url=broker_url, edge=order, output=output)
            with_api(files.kubeconfig, lambda api: _Play(api, files, children, **names).run(play))
    except ProcessFailedError as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("stopped before the load had ended", code=130)


@contextlib.contextmanager
def _broker_and_cluster(files: "Folder") -> "Iterator[tuple[Sequence[Child], str]]":
    """They and the operator run while the block does; the second value is the broker's URL."""
    from sparkiot_operator.demo import free_port
    from sparkiot_operator.embedded import embedded_operator
    from sparkiot_operator.pipeline.broker import listens, local_broker

    port = free_port()
    broker = local_broker(files.broker, port)
    if broker is None:
        fail("no MQTT broker: install Mosquitto (apt-get install mosquitto), or pip install amqtt")
    with broker:
        errors.print(f"starting {broker.name}, an MQTT broker …", markup=False)
        broker.wait_until(lambda: listens(port), timeout_s=READY_S)
        with embedded_operator(files, say=errors.print) as others:
            yield [broker, *others], f"mqtt://127.0.0.1:{port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Script:
    """What is played. edge: for each burst, whether the job follows the edge's signals."""

    policy: str
    broker_url: str
    edge: tuple[bool, ...]
    output: Output


@dataclass(slots=True)
class _Seen:
    """What was seen of the job. unrest: for each burst, what the job lacked of rest before it, else empty. grown: when
    executors were added, epoch seconds. running: now. edge: whether the job follows signals. said, told: seconds of the
    devices' clock up to which lines and events were printed."""

    unrest: list[str] = field(default_factory=list)
    grown: list[float] = field(default_factory=list)
    running: int | None = None
    edge: bool = True
    said: float = -math.inf
    told: float = -math.inf


class _Play(LiveRun):
    """One run: the job, its devices, and what is seen of both."""

    files: "Folder"

    lines: "Console" = console
    """Where progress goes."""

    async def run(self, script: _Script) -> None:
        import pyspark

        from sparkiot_operator.fleet.sender import ids_from
        from sparkiot_operator.landing import check_sink
        from sparkiot_operator.pipeline import scene
        from sparkiot_operator.pipeline.watch import SignalLog
        from sparkiot_operator.processes import Child

        if script.output is Output.JSON:
            self.lines = errors
        policy, version, broker_url = script.policy, pyspark.__version__, script.broker_url
        jobs = [
            scene.job(self.files, policy=policy, spark_version=version, broker_url=broker_url if edge else None)
            for edge in script.edge
        ]
        for path, manifest in scene.manifests(jobs[0]):
            await self.api.apply(path, manifest, manager=MANAGER)
        errors.print("starting Spark …")
        await self.until(ready, "the job to be ready", patience_s=SPARK_S)
        errors.print(f"the job was ready after {self.elapsed:.0f} s")
        devices = scene.fleet(broker_url, first_id=ids_from(time.time()))
        gateway = Child(scene.gateway_arguments(self.files, broker_url), log=self.files.gateway_log)
        with gateway, SignalLog(broker_url, f"{scene.SIGNAL_TOPIC}/{scene.GROUP_NAME}") as signals:
            errors.print("starting the edge gateway …")
            gateway.wait_until(lambda: "connected" in self.files.gateway_log.read_text(), timeout_s=READY_S)
            self.children = [*self.children, gateway]
            errors.print(f"{scene.DEVICES} devices begin to send\n")
            with _sending(devices):
                seen = await self._bursts(devices, signals, script.edge, jobs)
            errors.print("the devices have sent all; waiting for their last messages in the sink …")
            rows = self.files.sink / "rows"
            await self.until(
                lambda _: not check_sink(rows, devices.ids).missing, "every message in the sink", patience_s=DRAIN_S
            )
        errors.print("deleting the job …")
        self.children = [child for child in self.children if child is not gateway]
        await self.delete()
        self._report(devices, signals.alarms, seen, script)

    async def _bursts(
        self, devices: "Fleet", signals: "SignalLog", edges: Sequence[bool], jobs: Sequence[Json]
    ) -> _Seen:
        """Calm, a burst, the edge is switched, calm, the same burst."""
        from sparkiot_operator.fleet.load import Burst
        from sparkiot_operator.pipeline import scene

        seen = _Seen(edge=edges[0])
        self.lines.print(LINE.format("second", "msg/s", "edge says", "alarm", "wanted", "running", "latency", "event"))
        for number, (edge, job) in enumerate(zip(edges, jobs, strict=True)):
            if number:
                seen.edge = edge
                await self.api.apply(scene.job_path(), job, manager=MANAGER)
                what = "on: the job follows its signals" if edge else "off: the job follows no signals"
                self.lines.print(LINE.format(*[""] * 7, f"the edge is switched {what}"))
            seen.unrest.append(await self._come_to_rest(devices, signals, seen))
            burst = Burst(devices.sent.elapsed_s + 0.2, scene.FACTOR, scene.BURST_S)
            devices.load.add(burst)
            while devices.sent.elapsed_s < burst.end + scene.AFTERMATH_S:
                await self._see(devices, signals, seen)
        return seen

    async def _come_to_rest(self, devices: "Fleet", signals: "SignalLog", seen: _Seen) -> str:
        """Wait until the job is at rest, at most for so long; what it lacks of rest then, else empty."""
        from sparkiot_operator.dashboard.audit_tail import AuditTail
        from sparkiot_operator.pipeline import scene
        from sparkiot_operator.pipeline.rest import Rest

        drawn = random.uniform(0, scene.INTERVAL_S)  # noqa: S311 - no secret
        rest = Rest(least_s=scene.REST_S + drawn, target_s=scene.TARGET_S)
        until = devices.sent.elapsed_s + scene.MOST_CALM_S
        reason = None
        with AuditTail(self.files.audit) as tail:
            while (missing := rest.missing(devices.sent.elapsed_s)) and devices.sent.elapsed_s < until:
                status = await self._see(devices, signals, seen)
                alarm = signals.newest.alarm if signals.newest else None
                for record in tail.read():
                    reason = record.decision.reason
                rest.look(status, reason=reason, alarm=alarm, now=devices.sent.elapsed_s)
        return missing

    async def _see(self, devices: "Fleet", signals: "SignalLog", seen: _Seen) -> Json:
        """Look once more at the job, and print what is new."""
        status, now = await self.look(), devices.sent.elapsed_s
        happened = [text for at, text in _events(devices) if seen.told < at <= now]
        replicas = status.get("replicas")
        if replicas is not None and seen.running is not None and replicas > seen.running:
            seen.grown.append(time.time())
            happened.append("an executor has come" if replicas - seen.running == 1 else "executors have come")
        seen.running, seen.told = seen.running if replicas is None else replicas, now
        if happened or now - seen.said >= SAY_S:
            seen.said = now
            self.lines.print(_line(devices, signals if seen.edge else None, status, "; ".join(happened)), markup=False)
        return status

    def _report(self, devices: "Fleet", alarms: Sequence[float], seen: _Seen, script: _Script) -> None:
        from sparkiot_operator.landing import check_sink
        from sparkiot_operator.pipeline import scene
        from sparkiot_operator.pipeline.outcome import executor_requests, outcome, written_batches

        batches = written_batches(self.files.sink / "rows")
        requests = executor_requests(self.files.requests, scene.NAMESPACE)
        found = {
            "with" if edge else "without": outcome(
                devices.begun + burst.at,
                devices.begun + burst.end + scene.AFTERMATH_S,
                target_s=scene.TARGET_S,
                batches=batches,
                alarms=alarms if edge else (),
                requests=requests,
                grown=seen.grown,
            )
            for edge, burst in zip(script.edge, devices.load.bursts, strict=True)
        }
        unrest = {
            "with" if edge else "without": missing for edge, missing in zip(script.edge, seen.unrest, strict=True)
        }
        check, landed = check_sink(self.files.sink / "rows", devices.ids), self.files.landed()
        if script.output is Output.JSON:
            bursts = {name: {**asdict(each), "unrest": unrest[name]} for name, each in found.items()}
            print_json({**bursts, "seconds": self.elapsed, "exactly_once": check.exactly_once})
        else:
            console.print()
            print_rows(
                _rows(found["with"], found["without"]),
                title=f"the same burst, × {scene.FACTOR:g} for {scene.BURST_S:g} s, with the edge and without",
                headings={"what": "", "with": "edge on", "without": "edge off"},
                output=script.output,
            )
            console.print(
                f"executors: {' → '.join(map(str, self.executors))}\n"
                f"messages: {len(devices.ids)} sent, {landed} landed ({landed - len(devices.ids)} of them twice); "
                f"sink: {check}\n"
                f"decisions: {self.files.audit}    logs: {self.files.path}    took {self.elapsed:.0f} s",
                markup=False,
                soft_wrap=True,
            )
        for name, missing in unrest.items():
            if missing:
                errors.print(
                    f"the burst {name} the edge did not meet the job at rest ({missing}), as on a machine that is busy "
                    "with other things: the figures do not compare",
                    style="yellow",
                    markup=False,
                    soft_wrap=True,
                )
        if not check.exactly_once:
            fail("the sink does not hold each message exactly once")


def _rows(with_edge: "BurstOutcome", without: "BurstOutcome") -> list[Json]:
    from sparkiot_operator.pipeline.scene import TARGET_S

    def row(what: str, of: Any) -> Json:
        return {"what": what, "with": of(with_edge), "without": of(without)}

    return [
        row("burst begins", lambda _: "0 s"),
        {"what": "alarm", "with": _seconds(with_edge.alarm_s), "without": "nobody listens"},
        row("executors requested", lambda o: _seconds(o.requested_s)),
        row("an executor more at work", lambda o: _seconds(o.running_s)),
        row(f"batches within {TARGET_S:g} s", lambda o: _share(o.on_time, o.batches)),
        row(f"messages within {TARGET_S:g} s", lambda o: _share(o.messages_on_time)),
        row("latency of a batch, median", lambda o: _seconds(o.median_s, sign="")),
        row("latency of a batch, worst", lambda o: _seconds(o.worst_s, sign="")),
    ]


def _seconds(value: float | None, *, sign: str = "+") -> str:
    return "–" if value is None else f"{value:{sign}.1f} s"


def _share(value: float | None, of: int | None = None) -> str:
    if value is None:
        return "–"
    return f"{value:.0%}" + (f" of {of}" if of is not None else "")


def _events(devices: "Fleet") -> list[tuple[float, str]]:
    bursts = devices.load.bursts
    begins = [(burst.at, f"burst × {burst.factor:g} begins") for burst in bursts]
    return [*begins, *((burst.end, "the burst ends") for burst in bursts)]


@contextlib.contextmanager
def _sending(devices: "Fleet") -> Iterator[None]:
    """Devices send while the block runs. Raises BrokerError afterwards where they could not."""
    from sparkiot_edge.mqtt import BrokerError
    from sparkiot_operator.pipeline.scene import MOST_S

    stop, failed = threading.Event(), list[BrokerError]()

    def send() -> None:
        try:
            devices.run(MOST_S, stop=stop)
        except BrokerError as error:
            failed.append(error)

    thread = threading.Thread(target=send, name="devices", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if failed:
        raise failed[0]


def _line(devices: "Fleet", signals: "SignalLog | None", status: Json, event: str) -> str:
    elapsed = devices.sent.elapsed_s
    newest = signals.newest if signals else None
    cells = (
        f"{newest.predicted_rate:.0f} msg/s" if newest else None,
        ("yes" if newest.alarm else "no") if newest else None,
        (status.get("allocation") or {}).get("executors"),
        status.get("replicas"),
        (status.get("latency") or {}).get("observed"),
    )
    shown = ("–" if cell is None else str(cell) for cell in cells)
    return LINE.format(f"{elapsed:.0f}", f"{devices.load.rate(elapsed):.0f}", *shown, event)
