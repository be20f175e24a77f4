"""``sparkiot explain``: the last decisions of a job: what was seen, proposed, clamped and done, and why."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from .cluster import KubeconfigOption, NamespaceOption, with_api
from .console import Output, OutputOption, console, fail, print_json

if TYPE_CHECKING:
    from sparkiot_operator.kube import KubeApi
    from sparkiot_operator.telling import Told
    from sparkiot_policies.observation import Observation

SHOWN_FROM = 0.005
EFFECT_UNITS = {"executors": "executors", "memory": "GiB", "tier": "tiers", "compression": "levels"}


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
    policy: Annotated[
        Path | None,
        typer.Option(help="Artifact of the policy that decided, where it is none of the shipped ones; for --audit."),
    ] = None,
    fallback: Annotated[
        str, typer.Option(help="Rule that the job falls back on, to compare with; for --audit.")
    ] = "Rate",
    kubeconfig: KubeconfigOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Say why a job has the resources it has.

    With an audit log: its last decisions in full, and how much each element of the observation mattered. Without: what
    the status and the events of the resource say.
    """
    if audit:
        found = _from_audit(audit, f"{namespace}/{job}", last=last, changes=changes, policy=policy, fallback=fallback)
        if output is Output.JSON:
            from sparkiot_policies.codec import encode_decision

            print_json([{**encode_decision(told.decision), **told.to_dict()} for told in found])
            return
        for told in found:
            _print_decision(told)
        return

    async def read(api: "KubeApi") -> tuple[dict[str, Any], list[dict[str, Any]]]:
        return await api.read_job(namespace, job), await api.list_events(namespace, job)

    resource, events = with_api(kubeconfig, read)
    if output is Output.JSON:
        print_json({"status": resource.get("status", {}), "events": events})
        return
    _print_status(f"{namespace}/{job}", resource.get("status") or {}, events[-last:])


def _from_audit(audit: Path, ref: str, *, last: int, changes: bool, policy: Path | None, fallback: str) -> "list[Told]":
    from sparkiot_operator.audit import AuditError, read_audit
    from sparkiot_operator.telling import Teller, policies_of
    from sparkiot_policies.errors import PolicyError
    from sparkiot_policies.rules import rule

    try:
        teller = Teller(policies_of(policy), fallback=rule(fallback))
        found = teller.last(read_audit([audit], job=ref), most=last, changes=changes)
    except FileNotFoundError as error:
        fail(f"{error.filename}: does not exist")
    except (AuditError, PolicyError) as error:
        fail(str(error))
    if not found:
        fail(f"no decision of {ref} in {audit}")
    return found


def _print_decision(told: "Told") -> None:
    from sparkiot_operator.times import timestamp
    from sparkiot_policies.observation import ELEMENTS

    decision = told.decision
    console.print(f"\n[bold]{timestamp(decision.time)}[/]  {decision.job}  [bold]{decision.reason.value}[/]")
    console.print(told.sentence, markup=False)
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
    if told.explanation.rule is not None:
        table.add_row(f"{told.explanation.rule_name} would propose", str(told.explanation.rule))
    for clamp in decision.clamps:
        table.add_row("clamped", f"{clamp.code.value}: {clamp.message}")
    table.add_row("decided", str(decision.allocation))
    if told.problem:
        table.add_row("effects", told.problem, style="yellow")
    console.print(table)
    since = told.explanation.since if told.effects else None
    seen = Table(title="observation", title_justify="left", box=None, padding=(0, 2))
    headings = (
        "element",
        "value",
        *((f"at {timestamp(since.time)[11:19]}", "effect") if since else ()),
        "unit",
        "meaning",
    )
    for heading in headings:
        seen.add_column(heading, justify="left" if heading in ("element", "unit", "meaning") else "right")
    for element in ELEMENTS:
        values = [_value(decision.observation, element.name)]
        if since:
            effect = told.effects.get(element.name, 0.0)
            values += [_value(since.observation, element.name), f"{effect:+.2f}" if abs(effect) >= SHOWN_FROM else ""]
        seen.add_row(element.name, *values, element.unit, element.meaning)
    console.print(seen)
    if since:
        unit = EFFECT_UNITS[told.explanation.head]
        console.print(f"effect: on the {told.explanation.head} proposed, in {unit}, since {timestamp(since.time)}")


def _value(observation: "Observation", name: str) -> str:
    value = getattr(observation, name)
    return "missing" if value is None else f"{value:.4g}"


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
