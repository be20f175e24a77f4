"""``sparkiot simulate``: a job file and a load in virtual time, through the operator's own decision code."""

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import Output, OutputOption, errors, fail, print_rows

if TYPE_CHECKING:
    from sparkiot_operator.offline import Run

AUDIT_FILE_BYTES = 64 * 1024 * 1024

HEADINGS = {
    "policy": "policy",
    "slo_attainment": "attainment",
    "latency_p50_ms": "P50 ms",
    "latency_p95_ms": "P95 ms",
    "latency_p99_ms": "P99 ms",
    "cost_dollars": "cost $",
    "scalings": "scalings",
    "restarts": "restarts",
    "cycles_per_second": "cycles/s",
}


def simulate(
    job_file: Annotated[Path, typer.Argument(metavar="JOB.yaml", help="A SparkIoTJob with spec.simulation.")],
    trace: Annotated[
        Path | None, typer.Option(help="CSV with timestamp and value; replaces the load that the job names.")
    ] = None,
    mean_rate: Annotated[float | None, typer.Option(min=0.001, help="Scale the load to this mean, messages/s.")] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            help="Rule, such as Rate or Rate:utilization=0.8, learned policy or path of an artifact;"
            " repeat to compare. Default: the job's."
        ),
    ] = None,
    duration: Annotated[
        str | None, typer.Option(help="Job time to play, such as 24h. Default: the job's, else one cycle of the load.")
    ] = None,
    start: Annotated[str, typer.Option(help="Job time at the start, ISO 8601; UTC without a zone.")] = "2026-01-05",
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write each decision as a row.")] = None,
    audit: Annotated[
        Path | None,
        typer.Option(help="Write the decisions of one policy into this folder, as an operator's audit log has them."),
    ] = None,
    png: Annotated[Path | None, typer.Option(help="Write the timeline as a picture.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Play a job in virtual time and say what each policy would have achieved on the same load.

    Without --policy the job is played in its own mode: in Shadow the rule acts until the policy is promoted.
    """
    from sparkiot_operator.offline import OfflineError, load_job, load_workload, play

    try:
        job = load_job(job_file)
        load = load_workload(job, trace=trace, mean_rate=mean_rate)
        for warning in load.warnings:
            errors.print(f"warning: {load.source}: {warning}", style="yellow", markup=False, soft_wrap=True)
        names: list[str | None] = [*policy] if policy else [None]
        span, origin = _duration(duration), _epoch(start)
        runs = [play(job, load, policy=name, duration_s=span, origin=origin) for name in names]
    except OfflineError as error:
        fail(str(error))
    if audit and len(runs) > 1:
        raise typer.BadParameter("a log is of one policy", param_hint="--audit")
    title = f"{job.name}, {load.source}"
    if audit:
        _write_audit(audit, runs[0])
    if csv_file:
        _write_csv(csv_file, [row for run in runs for row in run.rows()])
    if png:
        from sparkiot_sim.plot import plot

        plot([run.timeline() for run in runs], png, title=title)
    rows = [run.summary() for run in runs]
    shown = rows if output is Output.JSON else [{key: _rounded(row[key]) for key in HEADINGS} for row in rows]
    print_rows(shown, title=title, headings=HEADINGS, output=output)
    for run in runs:
        if run.trial is not None:
            verdict, stage = run.trial.verdict, run.trial.standing.stage.value
            errors.print(f"{run.policy}: {stage} at the end; {verdict.code.value}: {verdict.message}", markup=False)
    for path in filter(None, (csv_file, png, audit)):
        errors.print(f"written: {path}", markup=False)


def _duration(text: str | None) -> float | None:
    from sparkiot_operator.resource.base import seconds

    try:
        return seconds(text) if text else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--duration") from error


def _epoch(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not ISO 8601", param_hint="--start") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _rounded(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _write_audit(folder: Path, run: "Run") -> None:
    """Into files of the size that an operator rotates at, as many as it takes."""
    from sparkiot_operator.audit import AuditLog, AuditRecord
    from sparkiot_operator.events import JobRef

    ref = JobRef("default", run.job.name, "simulated")
    try:
        log = AuditLog(folder, max_bytes=AUDIT_FILE_BYTES, files=len(run.episode.cycles))
        for cycle in run.episode.cycles:
            log.write(AuditRecord(ref, 1, run.job.job, cycle.evaluation, cycle.decision))
        log.close()
    except OSError as error:
        fail(f"{folder} cannot be written: {error.strerror}")


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}")
