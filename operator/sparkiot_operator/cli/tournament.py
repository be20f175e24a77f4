"""``sparkiot tournament``: policies against each other on identical loads, before any of them is trusted."""

import enum
import os
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from . import tournament_options as options
from . import tournament_studies as studies
from .console import Output, OutputOption, console, errors, fail, print_json, print_rows

if TYPE_CHECKING:
    from sparkiot_sim.tournament.matches import Load, Tournament
    from sparkiot_sim.tournament.play import Result
    from sparkiot_sim.tournament.statistics import Row

PRESET = "cloud-coldstart"
SIGNAL = "measured"
DURATION = "24h"
MEAN_RATE = "300"

HEADINGS = {
    "policy": "policy",
    "slo_attainment": "attainment %",
    "cost_dollars": "cost $",
    "oracle_ratio": "/ oracle",
    "latency_p50_ms": "P50 ms",
    "latency_p95_ms": "P95 ms",
    "latency_p99_ms": "P99 ms",
    "scalings_per_hour": "scalings/h",
    "restarts": "restarts",
    "fallback_share": "fallback %",
}
THESIS_HEADINGS = {
    "policy": "policy",
    "violations_percent": "violations %",
    "cost_dollars": "cost $",
    "latency_p95_ms": "P95 ms",
    "limit_ratio": "cost / limit",
    "global_reward": "global reward",
    "published": "published",
    "remeasured": "re-measured",
}


class Arena(enum.StrEnum):
    CLUSTER = "cluster"
    THESIS = "thesis"


def tournament(
    arena: Annotated[
        Arena, typer.Option(help="cluster: the cluster model. thesis: the model of the thesis, with its limit.")
    ] = Arena.CLUSTER,
    policies: Annotated[
        str | None,
        typer.Option(
            help="Rules with or without settings (Rate, Rate:utilization=0.8), shipped policies or paths of artifacts"
            " with or without reward weights (default, default:weights=HealthcareCritical, default:weights=Auto)."
            f" Default: {studies.POLICIES}; in the thesis arena its own baselines and the shipped policy for it.",
            show_default=False,
        ),
    ] = None,
    workloads: Annotated[
        str | None,
        typer.Option(help="Generators: SmartCity, Healthcare, Industrial. Default: all, or none with --traces."),
    ] = None,
    traces: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder of CSVs with timestamp and value; each is a workload.")
    ] = None,
    mean_rate: Annotated[
        str | None,
        typer.Option(
            help=f"Scale each workload to this mean, or to each of several, messages/s. Default: {MEAN_RATE}."
        ),
    ] = None,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Play each policy over its own knob and compare whole fronts.")
    ] = False,
    ablations: Annotated[
        bool,
        typer.Option(
            "--ablations", help=f"Play one learned policy without each of its parts. Default policy: {studies.LEARNED}."
        ),
    ] = False,
    presets: Annotated[
        str | None, typer.Option(help=f"Clusters of the shipped calibrations. Default: {PRESET}.")
    ] = None,
    oracle: Annotated[
        bool, typer.Option(help="Solve each load for the limit that no policy can pass, and hold costs against it.")
    ] = True,
    seeds: Annotated[str, typer.Option(help="Such as 1-10 or 1,4,7-9.")] = "1-10",
    signal: Annotated[
        str | None, typer.Option(help=f"Edge signals: perfect, measured, poor or none. Default: {SIGNAL}.")
    ] = None,
    duration: Annotated[str | None, typer.Option(help=f"Job time of a match. Default: {DURATION}.")] = None,
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="Where tables and pictures go.")] = Path("runs/tournament"),
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes. Default: one a core.", show_default=False)
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Play every policy on the same loads, clusters and edge signals; write tables and pictures."""
    chosen_seeds = options.seeds(seeds)
    if arena is Arena.THESIS:
        without_meaning = {
            "--workloads": workloads,
            "--traces": traces,
            "--mean-rate": mean_rate,
            "--presets": presets,
            "--signal": signal,
            "--duration": duration,
            "--workers": workers,
            "--sweep": sweep or None,
            "--ablations": ablations or None,
            "--no-oracle": None if oracle else True,
        }
        for option, value in without_meaning.items():
            if value is not None:
                raise typer.BadParameter("has no meaning in the thesis arena", param_hint=option)
        _play_thesis(options.names(policies, "--policies") if policies else (), chosen_seeds, to, output)
        return
    from sparkiot_sim.calibration import preset_names
    from sparkiot_sim.signals import QUALITIES
    from sparkiot_sim.tournament.matches import Tournament

    if sweep and ablations:
        raise typer.BadParameter(
            "is another study than --sweep: play them one after the other", param_hint="--ablations"
        )
    study = studies.Study.SWEEP if sweep else studies.Study.ABLATIONS if ablations else studies.Study.NONE
    try:
        program = Tournament(
            entries=studies.entries(study, policies, oracle=oracle),
            loads=_loads(workloads, traces, options.rates(mean_rate or MEAN_RATE)),
            presets=options.known(options.names(presets or PRESET, "--presets"), preset_names(), "--presets"),
            seeds=chosen_seeds,
            quality=options.known([signal or SIGNAL], QUALITIES, "--signal")[0],
            duration_s=options.duration(duration or DURATION),
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    _play_cluster(program, study, to, workers, output)


def _play_cluster(
    program: "Tournament", study: studies.Study, folder: Path, workers: int | None, output: Output
) -> None:
    from sparkiot_policies.errors import PolicyError
    from sparkiot_sim.tournament.entry import LIMIT, entrant
    from sparkiot_sim.tournament.play import TournamentError, play
    from sparkiot_sim.tournament.report import INTERVALS, write
    from sparkiot_sim.tournament.statistics import rows

    _prepare(folder)
    # numpy's own threads would only get into each other's way: the processes already fill the cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        for entry in program.entries:  # a misspelt name shall not cost the start of the processes
            if entry != LIMIT:
                entrant(entry.policy)
        results = _with_progress(lambda done: play(program, workers=workers, progress=done))
    except (PolicyError, TournamentError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("stopped before all matches were played; nothing was written", code=130)
    table = rows(results)
    sections, pictures = studies.sections(study, table, results), studies.pictures(study, table, results)
    _writing(folder, lambda: write(folder, program, results, sections=sections, pictures=pictures))
    if output is Output.JSON:
        found = [row.to_dict() for row in table]
        beyond = {section.key: section.rows for section in sections}
        print_json(found if study is studies.Study.NONE else {"rows": found, **beyond})
    else:
        if study is not studies.Study.SWEEP:  # one row a setting is for the files
            for cell, group in groupby(table, key=lambda row: (row.workload, row.mean_rate, row.preset)):
                title = "{}, {:g} messages/s, {}".format(*cell)
                print_rows([_shown(row) for row in group], title=title, headings=HEADINGS, output=output)
        for section in sections:
            print_rows(section.shown, title=section.title, headings=section.headings, output=output)
            console.print(section.note, markup=False)
        spread = f"means of {len(program.seeds)} seeds, ± {INTERVALS}" if len(program.seeds) > 1 else "one seed"
        console.print(spread)
    errors.print(f"written: {folder}", markup=False)


def _play_thesis(policies: Sequence[str], seeds: tuple[int, ...], folder: Path, output: Output) -> None:
    from sparkiot_policies.errors import PolicyError
    from sparkiot_sim.tournament import thesis

    _prepare(folder)
    try:
        table = thesis.table(policies or thesis.default_policies(), seeds=seeds)
    except PolicyError as error:
        fail(str(error))
    _writing(folder, lambda: thesis.write(folder, table, seeds=seeds))
    if output is Output.JSON:
        print_json([line.to_dict() for line in table])
    else:
        title = f"thesis arena, means of {len(seeds)} seeds; {thesis.COLUMNS_NOTE}"
        print_rows([line.shown() for line in table], title=title, headings=THESIS_HEADINGS, output=output)
        steps = [line.shown_step() for line in table]
        print_rows(steps, title=thesis.STEP_TITLE, headings=thesis.STEP_HEADINGS, output=output)
    errors.print(f"written: {folder}", markup=False)


def _with_progress(play: "Callable[[Callable[[int, int], None]], list[Result]]") -> "list[Result]":
    bar = Progress(
        TextColumn("matches"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=None)
        return play(lambda done, total: bar.update(task, completed=done, total=total))


def _shown(row: "Row") -> dict[str, Any]:
    from sparkiot_sim.tournament.sections import amount, mean, percent

    estimates = row.estimates
    return {
        "policy": row.policy,
        "slo_attainment": percent(estimates["slo_attainment"]),
        **{name: amount(estimates[name]) for name in ("cost_dollars", "scalings_per_hour")},
        "oracle_ratio": amount(estimates["oracle_ratio"], digits=3),
        "latency_p95_ms": amount(estimates["latency_p95_ms"], digits=0),
        # Their spread is in the files: a terminal has room for what decides.
        **{name: mean(estimates[name]) for name in ("latency_p50_ms", "latency_p99_ms")},
        "restarts": f"{row.mean('restarts'):.1f}",
        "fallback_share": f"{100 * row.mean('fallback_share'):.1f}",
    }


def _loads(workloads: str | None, traces: Path | None, rates: Sequence[float]) -> "tuple[Load, ...]":
    from sparkiot_sim.generators import Kind
    from sparkiot_sim.tournament.matches import Load
    from sparkiot_sim.trace import TraceError, read_trace
    from sparkiot_sim.workload import Workload

    sources: list[Kind | Workload] = []
    if workloads is not None or traces is None:
        names = options.names(workloads, "--workloads") if workloads is not None else tuple(Kind)
        sources += [Kind(name) for name in options.known(names, Kind, "--workloads")]
    try:
        for path in _csv_files(traces) if traces else ():
            trace = read_trace(path)
            sources.append(trace.workload)
            for warning in trace.report.warnings():
                errors.print(f"warning: {path.name}: {warning}", style="yellow", markup=False, soft_wrap=True)
    except TraceError as error:
        fail(str(error))
    return tuple(Load(source=source, mean_rate=rate) for source in sources for rate in rates)


def _csv_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        fail(f"{folder}: {'not a folder' if folder.exists() else 'does not exist'}")
    found = sorted(folder.glob("*.csv"))
    if not found:
        fail(f"{folder}: holds no .csv file")
    return found


def _prepare(folder: Path) -> None:
    """A folder that cannot be written is found before the matches are played."""
    _writing(folder, lambda: folder.mkdir(parents=True, exist_ok=True))
    if not os.access(folder, os.W_OK):
        fail(f"{folder} cannot be written: permission denied")


def _writing(folder: Path, write: Callable[[], None]) -> None:
    try:
        write()
    except OSError as error:
        fail(f"{folder} cannot be written: {error.strerror}")
