"""``sparkiot evaluate-cluster``: a tournament's matches as jobs of a cluster, decision by decision beside offline."""

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import tournament_options as options
from . import tournament_studies as studies
from .cluster import KubeconfigOption, with_api
from .console import Output, OutputOption, console, errors, fail, print_json, print_rows
from .steps import steps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sparkiot_operator.cluster_evaluation.collect import Ran
    from sparkiot_operator.cluster_evaluation.jobs import ClusterJob
    from sparkiot_operator.cluster_evaluation.verdict import Line
    from sparkiot_operator.kube import KubeApi
    from sparkiot_sim.tournament.entry import Entrant
    from sparkiot_sim.tournament.matches import Tournament

OPERATOR = "sparkiot/sparkiot"


def evaluate_cluster(
    policies: Annotated[
        str,
        typer.Option(
            help="Names of the operator's policies; learned ones with or without weights, as in a tournament."
        ),
    ] = "default,RateAhead",
    workloads: Annotated[str, typer.Option(help="Generators.")] = "SmartCity,Healthcare,Industrial",
    mean_rate: Annotated[str, typer.Option(help="Means that each workload is scaled to, messages/s.")] = "300",
    presets: Annotated[str, typer.Option(help="Clusters of the shipped calibrations.")] = "cloud-coldstart",
    seeds: Annotated[str, typer.Option(help="Such as 1-10 or 1,4,7-9.")] = "1-2",
    signal: Annotated[str, typer.Option(help="Edge signals: measured or none.")] = "measured",
    duration: Annotated[str, typer.Option(help="Job time of a match.")] = "3h",
    acceleration: Annotated[float, typer.Option(min=1, max=10000, help="Job time passes so many times faster.")] = 60,
    kubeconfig: KubeconfigOption = None,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Namespace to make for the jobs; it goes with them.")
    ] = "sparkiot-evaluation",
    embedded: Annotated[
        bool, typer.Option("--embedded", help="Start an embedded cluster and an operator, and evaluate on those.")
    ] = False,
    operator: Annotated[
        str,
        typer.Option(
            metavar="NAMESPACE/DEPLOYMENT",
            help="The installed operator, whose pod kubectl brings the audit log from (chart: audit.enabled=true).",
        ),
    ] = OPERATOR,
    audit: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The operator's audit log, where this machine can read it.", exists=True),
    ] = None,
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="Where tables and pictures go.")] = Path(
        "runs/cluster-evaluation"
    ),
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes of the offline matches. Default: one a core.", show_default=False),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Play a tournament's matches as SparkIoTJobs on a cluster, and compare each decision with the offline one.

    Jobs and namespace are deleted at the end, also after Ctrl-C. Exit code 1 when a decision differs.
    """
    if embedded and (kubeconfig or audit):
        raise typer.BadParameter("has a cluster and an operator of its own", param_hint="--embedded")
    program = _program(policies, workloads, mean_rate, presets, seeds, signal, duration)
    entrants, jobs = _jobs(program, acceleration)
    where = _Where(kubeconfig, namespace, embedded, operator, audit, to)
    try:
        to.mkdir(parents=True, exist_ok=True)
        ran = _run(where, jobs, wall_s=program.duration_s / acceleration)
        lines = _compare(program, jobs, entrants, ran, where, workers)
    except OSError as error:
        fail(f"{to} cannot be used: {error}")
    _report(lines, to, output)


@dataclass(frozen=True, slots=True)
class _Where:
    """Which cluster, which operator, and where files go; each as the option of its name."""

    kubeconfig: Path | None
    namespace: str
    embedded: bool
    operator: str
    audit: Path | None
    folder: Path

    @property
    def log(self) -> Path:
        """The folder that holds the audit log in the end."""
        return self.audit or self.folder / "audit"


def _program(
    policies: str, workloads: str, mean_rate: str, presets: str, seeds: str, signal: str, duration: str
) -> "Tournament":
    from sparkiot_sim.calibration import preset_names
    from sparkiot_sim.generators import Kind
    from sparkiot_sim.tournament.entry import Entry
    from sparkiot_sim.tournament.matches import Load, Tournament

    kinds = [Kind(name) for name in options.known(options.names(workloads, "--workloads"), Kind, "--workloads")]
    try:
        return Tournament(
            entries=tuple(Entry.of(name) for name in options.names(policies, "--policies")),
            loads=tuple(Load(source=kind, mean_rate=rate) for kind in kinds for rate in options.rates(mean_rate)),
            presets=options.known(options.names(presets, "--presets"), preset_names(), "--presets"),
            seeds=options.seeds(seeds),
            quality=options.known([signal], ("measured", "none"), "--signal")[0],
            duration_s=options.duration(duration),
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _jobs(program: "Tournament", acceleration: float) -> "tuple[dict[str, Entrant], list[ClusterJob]]":
    from sparkiot_operator.cluster_evaluation.jobs import UnsupportedMatchError, cluster_job
    from sparkiot_policies.errors import PolicyError
    from sparkiot_sim.tournament.entry import entrant

    try:
        entrants = {entry.policy: entrant(entry.policy) for entry in program.entries}
        matches = program.matches()
        return entrants, [
            cluster_job(program, match, entrants[match.entry.policy], acceleration=acceleration) for match in matches
        ]
    except (PolicyError, UnsupportedMatchError) as error:
        fail(str(error), code=2)


def _run(where: _Where, jobs: "Sequence[ClusterJob]", *, wall_s: float) -> "Mapping[str, Ran]":
    """Run the jobs to their end; the audit log is where it shall be then. What goes wrong is one message."""
    from sparkiot_operator.children import cluster_child, operator_child
    from sparkiot_operator.cluster_evaluation.collect import fetch_audit, run_jobs
    from sparkiot_operator.errors import OperatorError
    from sparkiot_operator.own_namespace import sigterm_as_ctrl_c
    from sparkiot_operator.processes import ProcessFailedError

    kubeconfig = where.kubeconfig
    release, _, deployment = where.operator.partition("/")

    def fetch() -> None:
        if not (where.embedded or where.audit):
            fetch_audit(release, deployment, kubeconfig=kubeconfig, folder=where.log)

    try:
        with sigterm_as_ctrl_c(), contextlib.ExitStack() as children:
            if where.embedded:
                shutil.rmtree(where.log, ignore_errors=True)
                kubeconfig = children.enter_context(cluster_child(where.folder, say=_say))
                flags = ("--audit-dir", str(where.log))
                children.enter_context(
                    operator_child(where.namespace, flags, kubeconfig=kubeconfig, folder=where.folder, say=_say)
                )
            fetch()  # a log that cannot be read is found before hours are played
            step = children.enter_context(steps())

            async def run(api: "KubeApi") -> "Mapping[str, Ran]":
                return await run_jobs(
                    api, jobs, namespace=where.namespace, wall_s=wall_s, say=_say, step=step, at_end=fetch
                )

            return with_api(kubeconfig, run)
    except (ProcessFailedError, OperatorError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("stopped before the jobs had ended", code=130)


def _compare(
    program: "Tournament",
    jobs: "Sequence[ClusterJob]",
    entrants: "Mapping[str, Entrant]",
    ran: "Mapping[str, Ran]",
    where: _Where,
    workers: int | None,
) -> "list[Line]":
    """Play the matches offline too, compare, and write all files."""
    from sparkiot_operator.cluster_evaluation import verdict
    from sparkiot_operator.cluster_evaluation.collect import records_of
    from sparkiot_operator.cluster_evaluation.twin import twin_of
    from sparkiot_operator.errors import OperatorError
    from sparkiot_sim.tournament.play import play, result_of
    from sparkiot_sim.tournament.processes import TournamentError
    from sparkiot_sim.tournament.report import write
    from sparkiot_sim.tournament.statistics import rows

    try:
        records = records_of(where.log, ran)
        _say("playing the same matches offline …")
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        offline = play(program, workers=workers)
    except (OperatorError, TournamentError) as error:
        fail(str(error))
    lines = []
    for job, result in zip(jobs, offline, strict=True):
        player, origin = entrants[job.match.entry.policy], ran[job.name].origin
        twin = twin_of(job, player, records[job.name], origin=origin, duration_s=program.duration_s)
        cluster = result_of(program, job.match, twin.episode, job.job)
        lines.append(verdict.Line(job=job.name, twin=twin, cluster=cluster, offline=result))
    for name, results in (("cluster", [line.cluster for line in lines]), ("offline", offline)):
        folder = where.folder / name
        folder.mkdir(exist_ok=True)
        table = rows(results)
        sections = studies.sections(studies.Study.NONE, table, results)
        pictures = studies.pictures(studies.Study.NONE, table, results)
        write(folder, program, results, sections=sections, pictures=pictures)
    verdict.write(where.folder, lines)
    return lines


def _report(lines: "Sequence[Line]", folder: Path, output: Output) -> None:
    from sparkiot_operator.cluster_evaluation import verdict

    if output is Output.JSON:
        print_json([verdict.document(line) for line in lines])
    else:
        title = "the operator's decisions beside the offline ones"
        print_rows([verdict.shown(line) for line in lines], title=title, headings=verdict.HEADINGS, output=output)
        console.print(verdict.NOTE, markup=False)
    errors.print(f"written: {folder}", markup=False)
    if not all(line.equal for line in lines):
        fail(verdict.verdict(lines))
    errors.print(verdict.verdict(lines), markup=False)


def _say(text: str) -> None:
    errors.print(text, markup=False, soft_wrap=True)
