"""``sparkiot demo``: the main job on this machine, without a cluster."""

import asyncio
import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from .cluster import with_api
from .console import Output, OutputOption, console, errors, fail, print_rows
from .top import jobs_table

if TYPE_CHECKING:
    from sparkiot_operator.demo import DemoJob, Folder, Outcome
    from sparkiot_operator.kube import KubeApi
    from sparkiot_operator.processes import Child

READY_S = 60.0
LOOK_S = 0.5
PATIENCE = 3.0
"""The demo gives up when its jobs take so many times longer than they should."""
HEADINGS = {
    "job": "job",
    "policy": "policy",
    "objective": "objective",
    "attainment": "attainment",
    "cost_dollars": "cost $",
    "scalings": "scalings",
    "where": "where",
}


def demo(
    trace: Annotated[
        Path | None,
        typer.Option(help="CSV with timestamp and value that drives all three jobs, scaled to their rates."),
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where logs, objects, audit log and picture go.")] = Path("runs/demo"),
    duration: Annotated[str, typer.Option(help="Job time to play.")] = "24h",
    acceleration: Annotated[float, typer.Option(min=1, max=10000, help="Job time passes so many times faster.")] = 1440,
    output: OutputOption = Output.TABLE,
) -> None:
    """Start an embedded cluster, the operator and three jobs; play a day of load in about a minute."""
    from sparkiot_operator import demo as parts
    from sparkiot_operator.offline import OfflineError
    from sparkiot_operator.processes import Child, ProcessFailedError, ended_by_sigterm
    from sparkiot_sim.trace import TraceError

    files = parts.Folder(folder)
    try:
        span_s = _seconds(duration)
        text = parts.trace_text(trace, duration=duration)
        files.prepare()
        files.trace.write_text(text, encoding="utf-8")
        jobs = parts.demo_jobs(files.trace, everywhere=trace is not None, duration=duration, acceleration=acceleration)
    except (TraceError, OfflineError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{folder} cannot be used: {error}")
    health = f"http://127.0.0.1:{parts.free_port()}"
    try:
        with (
            ended_by_sigterm(),
            Child(_dev_arguments(files), log=files.cluster_log) as cluster,
            contextlib.ExitStack() as stack,
        ):
            errors.print("starting the embedded cluster …")
            cluster.wait_until(files.kubeconfig.exists, timeout_s=READY_S)
            operator = stack.enter_context(Child(_operator_arguments(files, health), log=files.operator_log))
            errors.print("starting the operator …")
            operator.wait_until(lambda: parts.answers(f"{health}/readyz"), timeout_s=READY_S)
            errors.print(
                f"three jobs, {duration} of load at {acceleration:g} × real time. Watch them from another shell:\n"
                f"  export KUBECONFIG={files.kubeconfig.absolute()}\n  kubectl get sij -A -w\n",
                markup=False,
                soft_wrap=True,
            )

            async def play(api: "KubeApi") -> None:
                for path, manifest in parts.manifests(jobs, parts.config_map(text)):
                    await api.apply(path, manifest, manager=parts.MANAGER)
                await _watch(api, [cluster, operator], wall_s=span_s / acceleration)

            with_api(files.kubeconfig, play)
            outcomes = parts.live_outcomes(f"{health}/metrics", jobs)
    except ProcessFailedError as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("stopped before the jobs had ended", code=130)
    _report(parts.NAMESPACE, files, jobs, outcomes, output)


def _dev_arguments(files: "Folder") -> list[str]:
    return ["dev", "--port", "0", "--kubeconfig", str(files.kubeconfig), "--data", str(files.cluster)]


def _operator_arguments(files: "Folder", health: str) -> list[str]:
    port = health.rsplit(":", 1)[1]
    return [
        "operator",
        "--all-namespaces",
        *("--kubeconfig", str(files.kubeconfig)),
        *("--health-port", port),
        *("--audit-dir", str(files.audit)),
        *("--status-interval-seconds", "0.5"),
        *("--event-interval-seconds", "5"),
    ]


async def _watch(api: "KubeApi", children: "list[Child]", *, wall_s: float) -> None:
    """Show the jobs until each of them has ended; end the demo when a process dies or nothing comes to an end."""
    from sparkiot_operator.demo import NAMESPACE
    from sparkiot_operator.processes import ProcessFailedError

    progress = Progress(
        TextColumn("job time"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
        console=console,
    )
    task = progress.add_task("", total=wall_s)
    begun = time.monotonic()
    jobs: list[dict[str, Any]] = await api.list_jobs(NAMESPACE)
    with Live(console=console, auto_refresh=False, transient=False) as live:
        while not all(_ended(job) for job in jobs):
            await asyncio.sleep(LOOK_S)
            for child in children:
                child.check()
            elapsed = time.monotonic() - begun
            if elapsed > PATIENCE * wall_s + READY_S:
                raise ProcessFailedError(f"the jobs have not ended after {elapsed:.0f} s; see {children[-1].log}")
            jobs = await api.list_jobs(NAMESPACE)
            progress.update(task, completed=min(elapsed, wall_s))
            if console.is_terminal:
                live.update(Group(jobs_table(jobs), progress), refresh=True)
            elif int(elapsed / 10) > int((elapsed - LOOK_S) / 10):
                console.print(f"{min(elapsed / wall_s, 1):.0%} of the load played")
        live.update(jobs_table(jobs), refresh=True)


def _ended(job: dict[str, Any]) -> bool:
    return (job.get("status") or {}).get("phase") in ("Completed", "Failed")


def _report(namespace: str, files: "Folder", jobs: "list[DemoJob]", outcomes: "list[Outcome]", output: Output) -> None:
    """Summary, picture, and how to go on."""
    from sparkiot_operator.demo import RIVALS, rival_outcomes, timelines
    from sparkiot_sim.plot import plot

    errors.print(f"\nplaying the same loads with {' and '.join(RIVALS)} in virtual time …")
    lines = timelines(files.audit, jobs, outcomes)
    rivals = rival_outcomes(jobs, origin=float(lines[0].time[0]) if lines else 0.0)
    if lines:
        plot(lines, files.picture, title="One day in about a minute: the operator's decisions on three jobs")
    rows = [
        {
            "job": outcome.job,
            "policy": outcome.policy,
            "objective": job.offline.job.objectives.quantile,
            "attainment": round(outcome.attainment, 4),
            "cost_dollars": round(outcome.cost_dollars, 2),
            "scalings": outcome.scalings,
            "where": "operator" if outcome in outcomes else "virtual time",
        }
        for job in jobs
        for outcome in (*outcomes, *rivals)
        if outcome.job == job.name
    ]
    print_rows(
        rows,
        title="micro-batches within the latency target: wanted, reached, and at what cost",
        headings=HEADINGS,
        output=output,
    )
    command = sys.argv[0]
    errors.print(
        f"\npicture: {files.picture}    decisions: {files.audit}    logs: {files.path}\n\n"
        "Play on with kubectl; the objects of this demo are kept:\n"
        f"  {command} dev --data {files.cluster} --kubeconfig {files.kubeconfig} &\n"
        f"  {command} operator --all-namespaces --kubeconfig {files.kubeconfig} --audit-dir {files.audit} &\n"
        f"  export KUBECONFIG={files.kubeconfig}\n"
        f"  kubectl -n {namespace} get sij\n"
        f"  {command} explain smart-city -n {namespace} --audit {files.audit}",
        markup=False,
        soft_wrap=True,
    )


def _seconds(duration: str) -> float:
    from sparkiot_operator.resource.base import seconds

    try:
        return seconds(duration)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--duration") from error
