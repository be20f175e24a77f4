"""How ``sparkiot tournament`` plays what was chosen, and prints and writes what came of it."""

import os
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from . import tournament_studies as studies
from .console import Output, console, errors, fail, print_json, print_rows

if TYPE_CHECKING:
    from sparkiot_sim.tournament.matches import Tournament
    from sparkiot_sim.tournament.sections import Section
    from sparkiot_sim.tournament.statistics import Row

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


Outcome = TypeVar("Outcome")


def play_cluster(
    program: "Tournament", study: studies.Study, folder: Path, workers: int | None, output: Output
) -> None:
    from sparkiot_sim.tournament.play import play
    from sparkiot_sim.tournament.report import INTERVALS, write
    from sparkiot_sim.tournament.statistics import rows

    results = _run(program, folder, lambda done: play(program, workers=workers, progress=done))
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
        _print_sections(sections)
        spread = f"means of {len(program.seeds)} seeds, ± {INTERVALS}" if len(program.seeds) > 1 else "one seed"
        console.print(spread)
    errors.print(f"written: {folder}", markup=False)


def play_shifting(program: "Tournament", folder: Path, workers: int | None, output: Output) -> None:
    from sparkiot_sim.tournament.report import write_shifts
    from sparkiot_sim.tournament.sections import of_shifts
    from sparkiot_sim.tournament.shifts import play_shifts

    runs = _run(program, folder, lambda done: play_shifts(program, workers=workers, progress=done))
    sections = of_shifts(runs)
    _writing(folder, lambda: write_shifts(folder, program, runs, sections=sections))
    if output is Output.JSON:
        print_json({"rows": [run.to_dict() for run in runs], **{section.key: section.rows for section in sections}})
    else:
        _print_sections(sections)
    errors.print(f"written: {folder}", markup=False)


def _print_sections(sections: "Sequence[Section]") -> None:
    for section in sections:
        print_rows(section.shown, title=section.title, headings=section.headings, output=Output.TABLE)
        console.print(section.note, markup=False)


def _run(
    program: "Tournament", folder: Path, play: "Callable[[Callable[[int, int], None]], list[Outcome]]"
) -> "list[Outcome]":
    """Play a program with a progress bar; what goes wrong is one message."""
    from sparkiot_policies.errors import PolicyError
    from sparkiot_sim.tournament.entry import LIMIT, entrant
    from sparkiot_sim.tournament.processes import TournamentError

    _prepare(folder)
    # numpy's own threads would only get into each other's way: the processes already fill the cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        for entry in program.entries:  # a misspelt name shall not cost the start of the processes
            if entry != LIMIT:
                entrant(entry.policy)
        return _with_progress(play)
    except (PolicyError, TournamentError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("stopped before all matches were played; nothing was written", code=130)


def play_thesis(policies: Sequence[str], seeds: tuple[int, ...], folder: Path, output: Output) -> None:
    from sparkiot_policies.errors import PolicyError
    from sparkiot_sim.tournament import thesis

    _prepare(folder)
    try:
        chosen = policies or thesis.default_policies()
        table = thesis.table(chosen, seeds=seeds)
        sections = thesis.sections(chosen, seeds=seeds)
    except PolicyError as error:
        fail(str(error))
    _writing(folder, lambda: thesis.write(folder, table, sections=sections, seeds=seeds))
    if output is Output.JSON:
        print_json(thesis.documents(table, sections=sections))
    else:
        title = f"thesis arena, means of {len(seeds)} seeds, ± 95 % confidence; {thesis.COLUMNS_NOTE}"
        print_rows([line.shown() for line in table], title=title, headings=THESIS_HEADINGS, output=output)
        steps = [line.shown_step() for line in table]
        print_rows(steps, title=thesis.STEP_TITLE, headings=thesis.STEP_HEADINGS, output=output)
        _print_sections(sections)
    errors.print(f"written: {folder}", markup=False)


def _with_progress(play: "Callable[[Callable[[int, int], None]], list[Outcome]]") -> "list[Outcome]":
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
