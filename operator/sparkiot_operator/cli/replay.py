"""``sparkiot replay``: decide an audit log again with other policies, show where they would differ, and what the
simulator makes of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from .console import Output, OutputOption, console, errors, fail, print_json, print_rows

if TYPE_CHECKING:
    from sparkiot_operator.comparison import Comparison, Modelled
    from sparkiot_policies.policy import MetaController, Policy
    from sparkiot_sim.recorded.course import Course

HEADINGS = {
    "job": "job",
    "time": "time",
    "recorded": "recorded",
    "replayed": "replayed",
    "proposed": "proposed",
    "reason": "reason",
    "clamps": "clamps",
}
TELL_EVERY = 10_000
"""Decisions between two lines of progress where no terminal shows a bar."""


def replay(
    audit: Annotated[list[Path], typer.Argument(metavar="AUDIT...", help="Audit files, or folders of them.")],
    policy: Annotated[
        list[str],
        typer.Option(
            help="Rule, such as Rate or Rate:utilization=0.8, learned policy or path of an artifact; repeat to compare."
        ),
    ],
    fallback: Annotated[str, typer.Option(help="Rule that acts when a policy must not.")] = "Rate",
    meta_controller: Annotated[
        str, typer.Option(help="Sets the weights of jobs whose scenario is Auto; name or path.")
    ] = "default-meta",
    job: Annotated[str | None, typer.Option(help="Only this job, as NAMESPACE/NAME.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Differences to show of each policy, the largest.")] = 20,
    model: Annotated[
        bool, typer.Option(help="Play the recorded load through the simulator, under each policy and as recorded.")
    ] = True,
    preset: Annotated[
        str, typer.Option(help="Cluster of the simulator, for what the log does not say.")
    ] = "edge-small",
    png: Annotated[Path | None, typer.Option(help="Write cost against attainment as a picture.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Decide each recorded decision again; say where policies would differ, and what would have come of it."""
    from sparkiot_operator.audit import AuditError
    from sparkiot_operator.comparison import Comparison
    from sparkiot_operator.offline import find_policy
    from sparkiot_policies import library
    from sparkiot_policies.errors import PolicyError
    from sparkiot_policies.learned import LearnedMetaController
    from sparkiot_policies.rules import rule
    from sparkiot_sim.calibration import CalibrationError, calibration_with

    if png and not model:
        raise typer.BadParameter("the picture shows what the simulator says", param_hint="--png")
    try:
        calibration_with(preset)
        policies = {name: find_policy(name) for name in policy}
        acting, meta = rule(fallback), LearnedMetaController(library.load(meta_controller))
        comparison = Comparison(policies, fallback=acting, meta=meta, most=limit)
        _read(comparison, audit, job)
    except FileNotFoundError as error:
        fail(f"{error.filename}: does not exist")
    except (AuditError, PolicyError, CalibrationError) as error:
        fail(str(error))
    if not comparison.courses:
        fail(f"no decision of {job or 'any job'} in {', '.join(map(str, audit))}")
    modelled = _model(comparison, policies, acting, meta, preset) if model else []
    if png:
        _draw(modelled, png)
    if output is Output.JSON:
        found = [
            {"policy": name, "digest": policies[name].identity.digest, **differences.to_dict()}
            for name, differences in comparison.differences.items()
        ]
        print_json({"policies": found, "model": [each.to_dict() for each in modelled]})
        return
    _print_differences(comparison)
    for each in modelled:
        _print_model(each)
    if png:
        errors.print(f"written: {png}", markup=False)


def _read(comparison: "Comparison", paths: list[Path], job: str | None) -> None:
    from sparkiot_operator.audit import count_lines, read_audit

    total = None if job else count_lines(paths)
    with _progress("decisions", total) as advance:
        for _ in comparison.read(read_audit(paths, job=job)):
            advance(1)


def _model(
    comparison: "Comparison", policies: "dict[str, Policy]", acting: "Policy", meta: "MetaController", preset: str
) -> "list[Modelled]":
    return [_model_one(name, course, policies, acting, meta, preset) for name, course in comparison.courses.items()]


def _model_one(
    name: str, course: "Course", policies: "dict[str, Policy]", acting: "Policy", meta: "MetaController", preset: str
) -> "Modelled":
    from sparkiot_operator.comparison import looks_to_play, model

    total = len(policies) * looks_to_play(course.stretches())
    with _progress(f"simulated decisions of {name}", total) as advance:
        return model(name, course, policies, fallback=acting, meta=meta, preset=preset, report=advance)


@contextmanager
def _progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Yields what takes how many more are done. A bar on a terminal, lines elsewhere; standard output stays clean."""
    if errors.is_terminal:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=errors, transient=True) as shown:
            task = shown.add_task(what, total=total)
            yield partial(shown.advance, task)
        return
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        before, done = done, done + more
        if done // TELL_EVERY > before // TELL_EVERY:
            errors.print(f"{what}: {done:,}" + (f" of {total:,}" if total else ""), markup=False)

    yield advance


def _print_differences(comparison: "Comparison") -> None:
    from sparkiot_operator.comparison import row

    for name, differences in comparison.differences.items():
        if rows := [row(result) for result in differences.largest]:
            print_rows(rows, title=f"where {name} would differ most", headings=HEADINGS, output=Output.TABLE)
        share = differences.different / differences.decisions
        console.print(
            f"{name}: {differences.decisions} decisions, {differences.different} would differ ({share:.1%})",
            markup=False,
        )
        kinds = ", ".join(f"{kind} {number}" for kind, number in differences.kinds.most_common())
        console.print(f"  of these: {kinds or 'none'}", markup=False)
        console.print(
            f"  executor-hours wanted: {differences.recorded_hours:.2f} recorded,"
            f" {differences.replayed_hours:.2f} replayed"
        )


def _print_model(each: "Modelled") -> None:
    title = (
        f"{each.job} in the simulator: {each.played_s / 3600:.1f} of {each.span_s / 3600:.1f} hours,"
        f" {each.stretches} stretches"
    )
    if each.problem or each.recorded is None or each.reality is None:
        console.print(f"{each.job}: the simulator cannot say: {each.problem}", markup=False)
        return
    table = Table(title=title, title_justify="left")
    for heading in ("", "attainment", "looks in time", "cost $", "P95 ms", "scalings", "restarts", "executor-hours"):
        table.add_column(heading, justify="right" if heading else "left")
    reality = each.reality
    table.add_row("recorded", "", _share(reality.in_time), _dollars(reality.cost_dollars), "", "", "", "")
    for name, outcome in {"recorded, in the model": each.recorded, **each.outcomes}.items():
        in_time = _share(reality.modelled_in_time) if outcome is each.recorded else ""
        table.add_row(
            name,
            _share(outcome.attainment),
            in_time,
            f"{outcome.cost_dollars:.2f}",
            f"{outcome.latency_p95_ms:.0f}",
            str(outcome.scalings),
            str(outcome.restarts),
            f"{outcome.executor_hours:.1f}",
        )
    console.print(table)
    error = "unknown" if reality.duration_error is None else f"{reality.duration_error:.1%}"
    console.print(f"model against recording: median error of a batch's duration {error}, {reality.looks} looks")
    for note in (*(each.fitted.notes if each.fitted else ()), *(f"the model is off in {d}" for d in each.doubts)):
        console.print(f"  {note}", style="yellow", markup=False)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f} %"


def _dollars(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _draw(modelled: "list[Modelled]", path: Path) -> None:
    from sparkiot_sim.recorded.picture import draw

    jobs = {each.job: {"as recorded": each.recorded, **each.outcomes} for each in modelled if each.recorded is not None}
    if not jobs:
        fail("nothing to draw: the simulator can say nothing of any job")
    try:
        draw(jobs, path)
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}")
