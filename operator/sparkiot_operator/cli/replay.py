"""``sparkiot replay``: decide an audit log again with another policy and show where it would differ."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import Output, OutputOption, console, fail, print_json, print_rows

if TYPE_CHECKING:
    from sparkiot_operator.replay import Replayed

HEADINGS = {
    "job": "job",
    "time": "time",
    "recorded": "recorded",
    "replayed": "replayed",
    "proposed": "proposed",
    "reason": "reason",
    "clamps": "clamps",
}


def replay(
    audit: Annotated[list[Path], typer.Argument(metavar="AUDIT...", help="Audit files, or folders of them.")],
    policy: Annotated[
        str, typer.Option(help="Rule, such as Rate or Rate:utilization=0.8, learned policy or path of an artifact.")
    ],
    fallback: Annotated[str, typer.Option(help="Rule that acts when the policy must not.")] = "Rate",
    meta_controller: Annotated[
        str, typer.Option(help="Sets the weights of jobs whose scenario is Auto; name or path.")
    ] = "default-meta",
    job: Annotated[str | None, typer.Option(help="Only this job, as NAMESPACE/NAME.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Most differences to show; 0 shows all.")] = 20,
    output: OutputOption = Output.TABLE,
) -> None:
    """Decide each recorded decision again and print where the policy would have decided differently."""
    from sparkiot_operator.audit import AuditError, read_audit
    from sparkiot_operator.offline import find_policy
    from sparkiot_operator.replay import replay as replay_records
    from sparkiot_policies import library
    from sparkiot_policies.errors import PolicyError
    from sparkiot_policies.learned import LearnedMetaController
    from sparkiot_policies.rules import rule

    try:
        chosen, acting = find_policy(policy), rule(fallback)
        records = [record for record in read_audit(audit) if job in (None, str(record.ref))]
        free = any(record.job.objectives.weights is None for record in records)
        meta = LearnedMetaController(library.load(meta_controller)) if free else None
        results = list(replay_records(records, chosen, fallback=acting, meta=meta))
    except FileNotFoundError as error:
        fail(f"{error.filename}: does not exist")
    except (AuditError, PolicyError) as error:
        fail(str(error))
    if not results:
        fail(f"no decision of {job or 'any job'} in {', '.join(map(str, audit))}")
    different = [r for r in results if r.differs]
    summary = {
        "policy": policy,
        "digest": chosen.identity.digest,
        "decisions": len(results),
        "different": len(different),
        "executor_hours_recorded": _executor_hours(results, recorded=True),
        "executor_hours_replayed": _executor_hours(results, recorded=False),
        "reasons": dict(Counter(r.replayed.reason.value for r in results).most_common()),
    }
    rows = [_row(r) for r in (different[:limit] if limit else different)]
    if output is Output.JSON:
        print_json({**summary, "differences": rows})
        return
    if rows:
        print_rows(rows, title=f"where {policy} would differ", headings=HEADINGS, output=output)
    share = len(different) / len(results)
    console.print(f"{len(results)} decisions, {len(different)} would differ ({share:.1%}); {len(rows)} shown")
    console.print(
        f"executor-hours wanted: {summary['executor_hours_recorded']:.2f} recorded, "
        f"{summary['executor_hours_replayed']:.2f} replayed"
    )


def _row(result: "Replayed") -> dict[str, Any]:
    from sparkiot_operator.times import timestamp

    return {
        "job": str(result.ref),
        "time": timestamp(result.recorded.time),
        "recorded": str(result.recorded.allocation),
        "replayed": str(result.replayed.allocation),
        "proposed": str(result.replayed.proposal),
        "reason": result.replayed.reason.value,
        "clamps": " ".join(clamp.code.value for clamp in result.replayed.clamps),
    }


def _executor_hours(results: list["Replayed"], *, recorded: bool) -> float:
    """Executors wanted times how long each decision stood, until the job's next one."""
    total = 0.0
    last: dict[object, Replayed] = {}
    for result in results:
        if before := last.get(result.ref):
            decision = before.recorded if recorded else before.replayed
            total += decision.allocation.executors * (result.recorded.time - before.recorded.time) / 3600
        last[result.ref] = result
    return round(total, 4)
