"""``sparkiot top``: the jobs of a cluster, live."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.live import Live
from rich.table import Table

from .cluster import KubeconfigOption, with_api
from .console import Output, OutputOption, console, print_json

if TYPE_CHECKING:
    from sparkiot_operator.kube import KubeApi

PHASE_STYLES = {"Running": "green", "Completed": "blue", "Suspended": "yellow", "Pending": "yellow", "Failed": "red"}


def top(
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Only this namespace. Default: all of them.")
    ] = None,
    interval: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Print the table once and exit.")] = False,
    kubeconfig: KubeconfigOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show every job's executors, latency, attainment and cost, until Ctrl-C."""

    async def watch(api: "KubeApi") -> None:
        jobs = await api.list_jobs(namespace)
        if output is Output.JSON:
            print_json([{"metadata": _identity(job), "status": job.get("status", {})} for job in jobs])
            return
        if once:
            console.print(jobs_table(jobs))
            return
        with Live(jobs_table(jobs), console=console, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(interval)
                live.update(jobs_table(await api.list_jobs(namespace)), refresh=True)

    try:
        with_api(kubeconfig, watch)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def jobs_table(jobs: list[dict[str, Any]]) -> Table:
    """One row a job, as its status says it."""
    table = Table()
    for heading in ("job", "phase"):
        table.add_column(heading, no_wrap=True)
    for heading in ("exec", "want"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("memory", "tier"):
        table.add_column(heading, no_wrap=True)
    for heading in ("backlog", "latency", "target", "attained", "$/h"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("last change", overflow="ellipsis", no_wrap=True, ratio=1)
    for job in sorted(jobs, key=lambda j: (j["metadata"]["namespace"], j["metadata"]["name"])):
        table.add_row(*_cells(job))
    return table


def _cells(job: dict[str, Any]) -> list[str]:
    status: dict[str, Any] = job.get("status") or {}
    wanted, latency, slo = (status.get(key) or {} for key in ("allocation", "latency", "slo"))
    phase = status.get("phase", "–")
    met = {c["type"]: c["status"] for c in status.get("conditions", [])}.get("ObjectiveMet")
    attained = slo.get("attainment", "–")
    decision = status.get("decision") or {}
    return [
        f"{job['metadata']['namespace']}/{job['metadata']['name']}",
        f"[{PHASE_STYLES.get(phase, 'white')}]{phase}[/]",
        _text(status.get("replicas")),
        _text(wanted.get("executors")),
        _text(wanted.get("memory")),
        _text(wanted.get("tier")),
        _text(status.get("backlog")),
        _text(latency.get("observed")),
        _text(latency.get("target")),
        f"[red]{attained}[/]" if met == "False" else attained,
        _text(status.get("costPerHour")),
        " ".join(filter(None, (decision.get("reason"), *decision.get("clamps", [])))),
    ]


def _text(value: object) -> str:
    return "–" if value is None else str(value)


def _identity(job: dict[str, Any]) -> dict[str, Any]:
    return {key: job["metadata"][key] for key in ("namespace", "name", "uid", "creationTimestamp")}
