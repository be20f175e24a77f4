"""``sparkiot bench``: what the operator itself costs."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .cluster import KubeconfigOption, with_api
from .console import Output, OutputOption, console, errors, fail, print_json, print_rows
from .steps import steps

if TYPE_CHECKING:
    from sparkiot_operator.bench.figures import Figures
    from sparkiot_operator.bench.run import Plan
    from sparkiot_operator.kube import KubeApi

MOST_JOBS = 20_000

app = typer.Typer(
    name="bench", help="Measure what the operator costs.", no_args_is_help=True, pretty_exceptions_enable=False
)


@app.callback()
def bench() -> None:
    """A group, although it has one command."""


@app.command()
def operator(
    jobs: Annotated[str, typer.Option(help="How many jobs: one number or several.")] = "10,100,1000",
    interval: Annotated[str, typer.Option(help="Time between two decisions of a job.")] = "10s",
    policy: Annotated[str, typer.Option(help="Policy of the jobs.")] = "default",
    warm_up: Annotated[str, typer.Option(help="Time that all jobs run before each measurement.")] = "30s",
    duration: Annotated[str, typer.Option(help="Time of each measurement.")] = "2m",
    kubeconfig: KubeconfigOption = None,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Namespace to make for the jobs; it goes with them.")
    ] = "sparkiot-bench",
    embedded: Annotated[
        bool, typer.Option("--embedded", help="Start an embedded cluster and measure on that.")
    ] = False,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="/metrics of an operator that runs already and watches the namespace. Default: start one here.",
        ),
    ] = None,
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="Where tables and logs go.")] = Path("runs/bench-operator"),
    output: OutputOption = Output.TABLE,
) -> None:
    """Run more and more simulated jobs at real time; measure processor, memory, lateness and API writes.

    Jobs and namespace are deleted at the end, also after Ctrl-C.
    """
    from sparkiot_operator.bench.run import Plan

    from . import tournament_options as options

    plan = Plan(
        namespace=namespace,
        counts=_counts(jobs),
        interval=interval,
        policy=policy,
        warm_up_s=options.duration(warm_up, "--warm-up"),
        measured_s=options.duration(duration),
    )
    options.duration(interval, "--interval")
    if plan.measured_s <= 0:
        raise typer.BadParameter("must be above 0", param_hint="--duration")
    if embedded and (metrics or kubeconfig):
        raise typer.BadParameter("has a cluster and an operator of its own", param_hint="--embedded")
    rows: list[Figures] = []
    try:
        to.mkdir(parents=True, exist_ok=True)
        _measure(plan, kubeconfig, embedded=embedded, metrics=metrics, folder=to, rows=rows)
    except OSError as error:
        fail(f"{to} cannot be used: {error}")
    finally:
        if rows:
            _report(rows, plan, to, output)


def _measure(
    plan: "Plan", kubeconfig: Path | None, *, embedded: bool, metrics: str | None, folder: Path, rows: "list[Figures]"
) -> None:
    """Fill ``rows``; what goes wrong is one message."""
    from sparkiot_operator.bench.run import Told, measure
    from sparkiot_operator.children import cluster_child, operator_child
    from sparkiot_operator.errors import OperatorError
    from sparkiot_operator.own_namespace import sigterm_as_ctrl_c
    from sparkiot_operator.processes import ProcessFailedError

    try:
        with sigterm_as_ctrl_c(), contextlib.ExitStack() as children:
            if embedded:
                kubeconfig = children.enter_context(cluster_child(folder, say=_say))
            url = metrics
            if url is None:
                started = operator_child(plan.namespace, (), kubeconfig=kubeconfig, folder=folder, say=_say)
                url = f"{children.enter_context(started)}/metrics"
            address = url
            step = children.enter_context(steps())

            async def run(api: "KubeApi") -> None:
                await measure(api, plan, metrics_url=address, told=Told(say=_say, step=step), each=rows.append)

            with_api(kubeconfig, run)
    except (ProcessFailedError, OperatorError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("stopped before everything was measured", code=130)


def _say(text: str) -> None:
    errors.print(text, markup=False, soft_wrap=True)


def _counts(text: str) -> tuple[int, ...]:
    try:
        found = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        found = ()
    if not found or not 1 <= found[0] <= found[-1] <= MOST_JOBS:
        raise typer.BadParameter(
            f"{text!r} must be numbers from 1 to {MOST_JOBS}, such as 10,100,1000", param_hint="--jobs"
        )
    return found


def _report(rows: "list[Figures]", plan: "Plan", folder: Path, output: Output) -> None:
    from sparkiot_operator.bench import report

    title = f"one operator, decisions every {plan.interval}, policy {plan.policy}, {plan.measured_s:g} s each"
    report.write(folder, rows, title=title)
    if output is Output.JSON:
        print_json([report.document(row) for row in rows])
    else:
        print_rows([report.shown(row) for row in rows], title=title, headings=report.HEADINGS, output=output)
        console.print(report.NOTE, markup=False)
    errors.print(f"written: {folder}", markup=False)
