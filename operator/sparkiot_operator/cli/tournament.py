"""``sparkiot tournament``: policies against each other on identical loads, before any of them is trusted."""

import enum
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import tournament_options as options
from . import tournament_running as running
from . import tournament_studies as studies
from .console import Output, OutputOption, errors, fail

if TYPE_CHECKING:
    from sparkiot_sim.tournament.matches import Load

PRESET = "cloud-coldstart"
SIGNAL = "measured"
DURATION = "24h"
MEAN_RATE = "300"


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
    shifting: Annotated[
        bool,
        typer.Option(
            "--shifting",
            help="Play one learned policy under the meta-controller and under each scenario, with objectives that are"
            f" strict by day and loose by night. Default policy: {studies.LEARNED}.",
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
            "--shifting": shifting or None,
            "--no-oracle": None if oracle else True,
        }
        for option, value in without_meaning.items():
            if value is not None:
                raise typer.BadParameter("has no meaning in the thesis arena", param_hint=option)
        running.play_thesis(options.names(policies, "--policies") if policies else (), chosen_seeds, to, output)
        return
    from sparkiot_sim.calibration import preset_names
    from sparkiot_sim.signals import QUALITIES
    from sparkiot_sim.tournament.matches import Tournament

    study = studies.chosen(sweep=sweep, ablations=ablations, shifting=shifting)
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
    if study is studies.Study.SHIFTING:
        running.play_shifting(program, to, workers, output)
    else:
        running.play_cluster(program, study, to, workers, output)


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
