"""What ``sparkiot tournament`` can find out beyond a ranking: who plays for it, and what is said of the results."""

import enum
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import typer

from . import tournament_options as options

if TYPE_CHECKING:
    from sparkiot_sim.tournament.entry import Entry
    from sparkiot_sim.tournament.play import Result
    from sparkiot_sim.tournament.report import Pictures
    from sparkiot_sim.tournament.sections import Section
    from sparkiot_sim.tournament.statistics import Row

LEARNED = "default"
POLICIES = "default,HPA,Rate,RateAhead,Fixed"


class Study(enum.Enum):
    """What a tournament is for, beyond its rows."""

    NONE = enum.auto()
    SWEEP = enum.auto()
    ABLATIONS = enum.auto()
    SHIFTING = enum.auto()


def sections(study: Study, table: "Sequence[Row]", results: "Sequence[Result]") -> "list[Section]":
    """The tables beyond the rows."""
    from sparkiot_sim.tournament import sections as tables

    match study:
        case Study.SWEEP:
            return tables.of_sweep(results)
        case Study.ABLATIONS:
            return [*tables.of_ablations(results), tables.over_all(table)]
        case _:
            return [tables.over_all(table)]


def pictures(study: Study, table: "Sequence[Row]", results: "Sequence[Result]") -> "Pictures":
    """What draws each picture, by file name."""
    from sparkiot_sim.tournament import front_picture
    from sparkiot_sim.tournament import pictures as drawn

    if study is Study.SWEEP:
        return {"fronts.png": partial(front_picture.fronts_picture, results)}
    return {
        "pareto.png": partial(drawn.pareto, table, results),
        "timeline.png": partial(drawn.timelines, results),
    }


def entries(study: Study, policies: str | None, *, oracle: bool) -> "tuple[Entry, ...]":
    """Who plays. policies: of the option; None for the study's own. oracle: the limit joins in."""
    from sparkiot_sim.tournament import ablations, shifts
    from sparkiot_sim.tournament.entry import LIMIT, Entry
    from sparkiot_sim.tournament.sweep import expanded

    last = (LIMIT,) if oracle and study is not Study.SHIFTING else ()
    if study in {Study.ABLATIONS, Study.SHIFTING}:
        names = options.names(policies or LEARNED, "--policies")
        if len(names) > 1 or ":" in names[0]:
            raise typer.BadParameter(
                "this study is of one learned policy, and sets its reward weights itself", param_hint="--policies"
            )
        return (*(ablations if study is Study.ABLATIONS else shifts).entries(names[0]), *last)
    names = options.names(policies or POLICIES, "--policies")
    return (*(Entry.of(name) for name in (expanded(names) if study is Study.SWEEP else names)), *last)


def chosen(*, sweep: bool, ablations: bool, shifting: bool) -> Study:
    """The study of the options. A tournament is for one at a time."""
    given = {"--sweep": sweep, "--ablations": ablations, "--shifting": shifting}
    named = [option for option, value in given.items() if value]
    if len(named) > 1:
        raise typer.BadParameter(f"is another study than {named[0]}: play them one by one", param_hint=named[1])
    return Study[named[0].removeprefix("--").upper()] if named else Study.NONE
