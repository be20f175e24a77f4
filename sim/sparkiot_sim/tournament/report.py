"""What a tournament leaves in its folder: results.csv, results.json, results.md, and the pictures."""

import csv
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sparkiot_sim.episode import Summary

from .matches import Tournament
from .play import SECONDS_PER_HOUR, Result
from .sections import Section, amount, percent
from .shifts import ShiftRun
from .statistics import Round, Row, bounds, metrics, rows

INTERVALS = "95 % confidence intervals over seeds, by Student's t"
TIERS = ("hot", "warm", "cold", "archive")
Pictures = Mapping[str, Callable[[Path], None]]
"""By file name, what draws the picture into a path."""


def write(
    folder: Path,
    tournament: Tournament,
    results: Sequence[Result],
    *,
    sections: Sequence[Section],
    pictures: Pictures,
) -> None:
    """Write all files. Raises OSError when one cannot be written."""
    table = rows(results)
    limits = bounds(results)
    write_csv(folder / "results.csv", [_line(result, limits) for result in results])
    beyond = {section.key: section.rows for section in sections}
    write_json(folder / "results.json", {**_program(tournament), "rows": [row.to_dict() for row in table], **beyond})
    text = markdown(tournament, table, sections=sections, pictures=tuple(pictures))
    (folder / "results.md").write_text(text, encoding="utf-8")
    for name, draw in pictures.items():
        draw(folder / name)


def markdown(
    tournament: Tournament, table: Sequence[Row], *, sections: Sequence[Section], pictures: Sequence[str]
) -> str:
    """The summary for people."""
    program = _program(tournament)
    each = [
        (
            row.policy,
            row.workload,
            f"{row.mean_rate:g}",
            row.preset,
            percent(row.estimates["slo_attainment"]),
            amount(row.estimates["cost_dollars"]),
            amount(row.estimates["oracle_ratio"], digits=3),
            amount(row.estimates["oracle_gap_points"]),
            *(amount(row.estimates[f"latency_{p}_ms"], digits=0) for p in ("p50", "p95", "p99")),
            amount(row.estimates["scalings_per_hour"]),
            amount(row.estimates["restarts"]),
            percent(row.estimates["fallback_share"]),
            " / ".join(f"{100 * row.mean(f'tier_{tier}'):.0f}" for tier in TIERS),
            " / ".join(_share(row.mean(f"{heat}_data_on_fast")) for heat in ("hot", "cold")),
        )
        for row in table
    ]
    headings = (
        "policy",
        "workload",
        "messages/s",
        "preset",
        "SLO attainment %",
        "cost $",
        "cost / oracle",
        "points lost to oracle",
        "P50 ms",
        "P95 ms",
        "P99 ms",
        "scalings/h",
        "restarts",
        "fallback %",
        "tiers %",
        "hot / cold data on fast tiers %",
    )
    said = (
        f"{program['duration_hours']:g} h a match, edge signals: {program['signal']}, seeds:"
        f" {', '.join(map(str, tournament.seeds))}. All policies met the same arrivals, clusters and signals."
        f" Means with {INTERVALS}. The oracle knows the whole load: a bound that no policy passes. Tiers: share of time"
        f" on {', '.join(TIERS)}; fast are the first two."
    )
    lines = ["# Tournament", "", said, "", *markdown_table(headings, each), "", *markdown_sections(sections)]
    return "\n".join((*lines, *(f"![{name}]({name})" for name in pictures))) + "\n"


def write_shifts(
    folder: Path, tournament: Tournament, runs: Sequence[ShiftRun], *, sections: Sequence[Section]
) -> None:
    """Write the files of a tournament whose objectives shift. Raises OSError when one cannot be written."""
    write_csv(folder / "results.csv", [run.to_dict() for run in runs])
    beyond = {section.key: section.rows for section in sections}
    write_json(folder / "results.json", {**_program(tournament), "rows": [run.to_dict() for run in runs], **beyond})
    text = "\n".join(("# Tournament", "", *markdown_sections(sections))) + "\n"
    (folder / "results.md").write_text(text, encoding="utf-8")


def markdown_table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table; a bar within a cell would end it and is escaped."""
    cells = [[cell.replace("|", "\\|") for cell in line] for line in (headings, *lines)]
    cells.insert(1, ["---"] * len(headings))
    return [f"| {' | '.join(line)} |" for line in cells]


def write_csv(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """One line each, under the keys of the first; NaN and None as empty cells. Raises OSError."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _known(value) for key, value in line.items()} for line in lines)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Indented; NaN as null. Raises OSError."""
    path.write_text(json.dumps(_known(document), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def markdown_sections(sections: Sequence[Section]) -> list[str]:
    """The lines of all tables beyond the rows."""
    lines = []
    for section in sections:
        shown = [tuple(line[key] for key in section.headings) for line in section.shown]
        lines += [f"## {section.title}", "", section.note, ""]
        lines += [*markdown_table(tuple(section.headings.values()), shown), ""]
    return lines


def _known(value: Any) -> Any:
    """The value with None for NaN, which neither format has."""
    if isinstance(value, Mapping):
        return {key: _known(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_known(part) for part in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _program(tournament: Tournament) -> dict[str, Any]:
    return {
        "arena": "cluster",
        "signal": tournament.quality,
        "duration_hours": tournament.duration_s / SECONDS_PER_HOUR,
        "seeds": tournament.seeds,
        "intervals": INTERVALS,
    }


def _line(result: Result, limits: Mapping[Round, Summary]) -> dict[str, Any]:
    return {**result.match(), **metrics(result, limits)}


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.0f}"
