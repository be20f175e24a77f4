"""``sparkiot explain``: the last decisions of a job: what was seen, proposed, clamped and done, and why."""

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from .cluster import KubeconfigOption, NamespaceOption, with_api
from .console import Output, OutputOption, console, fail, print_json

if TYPE_CHECKING:
    from sparkiot_operator.kube import KubeApi
    from sparkiot_policies.decision import Decision


def explain(
    job: Annotated[str, typer.Argument(metavar="JOB", help="Name of the SparkIoTJob.")],
    namespace: NamespaceOption = "default",
    audit: Annotated[
        Path | None,
        typer.Option(
            envvar="SPARKIOT_AUDIT_DIR", help="The operator's audit folder or file; tells more than the status does."
        ),
    ] = None,
    last: Annotated[int, typer.Option("--last", min=1, help="How many decisions to show.")] = 3,
    changes: Annotated[bool, typer.Option("--changes", help="Only decisions that changed the allocation.")] = False,
    kubeconfig: KubeconfigOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Say why a job has the resources it has.

    With an audit log: its last decisions in full. Without: what the status and the events of the resource say.
    """
    if audit:
        decisions = _from_audit(audit, f"{namespace}/{job}", last=last, changes=changes)
        if output is Output.JSON:
            from sparkiot_policies.codec import encode_decision

            print_json([encode_decision(d) for d in decisions])
            return
        for decision in decisions:
            _print_decision(decision)
        return

    async def read(api: "KubeApi") -> tuple[dict[str, Any], list[dict[str, Any]]]:
        return await api.read_job(namespace, job), await api.list_events(namespace, job)

    resource, events = with_api(kubeconfig, read)
    if output is Output.JSON:
        print_json({"status": resource.get("status", {}), "events": events})
        return
    _print_status(f"{namespace}/{job}", resource.get("status") or {}, events[-last:])


def _from_audit(audit: Path, ref: str, *, last: int, changes: bool) -> "list[Decision]":
    from sparkiot_operator.audit import AuditError, read_audit
    from sparkiot_policies.allocation import ActionClass

    found: deque[Decision] = deque(maxlen=last)
    try:
        for record in read_audit([audit]):
            if str(record.ref) == ref and not (changes and record.decision.change is ActionClass.NONE):
                found.append(record.decision)
    except FileNotFoundError:
        fail(f"{audit}: does not exist")
    except AuditError as error:
        fail(str(error))
    if not found:
        fail(f"no decision of {ref} in {audit}")
    return list(found)


def _print_decision(decision: "Decision") -> None:
    from sparkiot_operator.status import describe
    from sparkiot_operator.times import timestamp
    from sparkiot_policies.observation import ELEMENTS

    console.print(f"\n[bold]{timestamp(decision.time)}[/]  {decision.job}  [bold]{decision.reason.value}[/]")
    console.print(describe(decision), markup=False)
    table = Table(show_header=False, box=None, padding=(0, 2))
    digest = decision.acted.digest.removeprefix("sha256:")[:12]
    weights = decision.weights
    table.add_row("policy", f"{decision.acted.name} ({digest})")
    if decision.fallback:
        table.add_row("fallback", f"{decision.fallback.value}: {decision.detail}", style="yellow")
    elif decision.detail:
        table.add_row("detail", decision.detail)
    table.add_row(
        "weights", f"cost {weights.cost:.2f}, latency {weights.latency:.2f}, throughput {weights.throughput:.2f}"
    )
    table.add_row("before", str(decision.previous))
    table.add_row("proposed", str(decision.proposal))
    for clamp in decision.clamps:
        table.add_row("clamped", f"{clamp.code.value}: {clamp.message}")
    table.add_row("decided", str(decision.allocation))
    console.print(table)
    seen = Table(title="observation", title_justify="left", box=None, padding=(0, 2))
    for heading in ("element", "value", "unit", "meaning"):
        seen.add_column(heading, justify="right" if heading == "value" else "left")
    for element in ELEMENTS:
        value = getattr(decision.observation, element.name)
        seen.add_row(element.name, "missing" if value is None else f"{value:.4g}", element.unit, element.meaning)
    console.print(seen)


def _print_status(ref: str, status: dict[str, Any], events: list[dict[str, Any]]) -> None:
    decision = status.get("decision")
    if not decision:
        fail(f"{ref} has no decision yet (phase {status.get('phase', 'unknown')})")
    console.print(f"[bold]{decision['time']}[/]  {ref}  [bold]{decision['reason']}[/]")
    console.print(decision.get("message", ""), markup=False)
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_row(
        "policy", f"{decision['policy']['name']} ({decision['policy']['digest'].removeprefix('sha256:')[:12]})"
    )
    for key in ("recommended", "allocation"):
        table.add_row(key, ", ".join(f"{name} {value}" for name, value in (status.get(key) or {}).items()))
    for condition in status.get("conditions", []):
        table.add_row(
            condition["type"], f"{condition['status']} ({condition['reason']}) {condition.get('message', '')}"
        )
    for event in events:
        table.add_row("event", f"{event.get('lastTimestamp', '')} {event['reason']}: {event['message']}")
    console.print(table)
    console.print("The audit log tells more: --audit FOLDER.", style="dim")
