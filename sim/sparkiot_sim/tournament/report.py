"""What a tournament leaves in its folder: results.csv, results.json, results.md, and the pictures."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import pictures
from .matches import Tournament
from .play import SECONDS_PER_HOUR, Result
from .statistics import Estimate, Row, metrics, overall, rows

INTERVALS = "95 % confidence intervals over seeds, by Student's t"
LATENCIES = ("P50 ms", "P95 ms", "P99 ms")
PICTURES = ("pareto.png", "timeline.png")


def write(folder: Path, tournament: Tournament, results: Sequence[Result]) -> None:
    """Write all files. Raises OSError when one cannot be written."""
    table = rows(results)
    write_csv(folder / "results.csv", [_line(result) for result in results])
    write_json(folder / "results.json", {**_program(tournament), "rows": [row.to_dict() for row in table]})
    (folder / "results.md").write_text(markdown(tournament, table), encoding="utf-8")
    pictures.pareto(table, results, folder / PICTURES[0])
    pictures.timelines(results, folder / PICTURES[1])


def markdown(tournament: Tournament, table: Sequence[Row]) -> str:
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
            *(amount(row.estimates[f"latency_{p}_ms"], digits=0) for p in ("p50", "p95", "p99")),
            amount(row.estimates["scalings_per_hour"]),
            amount(row.estimates["restarts"]),
            percent(row.estimates["fallback_share"]),
        )
        for row in table
    ]
    total = [
        (
            line.policy,
            percent(Estimate(line.slo_attainment, None)),
            percent(Estimate(line.worst_slo_attainment, None)),
            "{}, {:g} messages/s, {}".format(*line.worst),
            f"{line.cost_dollars:.2f}",
        )
        for line in overall(table)
    ]
    headings = (
        "policy",
        "workload",
        "messages/s",
        "preset",
        "SLO attainment %",
        "cost $",
        "P50 ms",
        "P95 ms",
        "P99 ms",
    )
    said = (
        f"{program['duration_hours']:g} h a match, edge signals: {program['signal']}, seeds:"
        f" {', '.join(map(str, tournament.seeds))}. All policies met the same arrivals, clusters and signals."
        f" Means with {INTERVALS}."
    )
    lines = (
        "# Tournament",
        "",
        said,
        "",
        *markdown_table((*headings, "scalings/h", "restarts", "fallback %"), each),
        "",
        "## Over all workloads",
        "",
        *markdown_table(("policy", "SLO attainment %", "worst", "where", "cost $"), total),
        "",
        *(f"![{name}]({name})" for name in PICTURES),
    )
    return "\n".join(lines) + "\n"


def markdown_table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table; a bar within a cell would end it and is escaped."""
    cells = [[cell.replace("|", "\\|") for cell in line] for line in (headings, *lines)]
    cells.insert(1, ["---"] * len(headings))
    return [f"| {' | '.join(line)} |" for line in cells]


def percent(value: Estimate) -> str:
    """``99.87 ± 0.05``; – where nothing was measured."""
    return amount(Estimate(100 * value.mean, None if value.half_width is None else 100 * value.half_width))


def amount(value: Estimate, *, digits: int = 2) -> str:
    """Mean and half of the interval; – where nothing was measured."""
    if math.isnan(value.mean):
        return "–"
    spread = "" if value.half_width is None else f" ± {value.half_width:.{digits}f}"
    return f"{value.mean:.{digits}f}{spread}"


def write_csv(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """One line each, under the keys of the first; NaN and None as empty cells. Raises OSError."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _known(value) for key, value in line.items()} for line in lines)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Indented; NaN as null. Raises OSError."""
    path.write_text(json.dumps(_known(document), indent=2, allow_nan=False) + "\n", encoding="utf-8")


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


def _line(result: Result) -> dict[str, Any]:
    policy, workload, mean_rate, preset = result.cell
    return {
        "policy": policy,
        "workload": workload,
        "mean_rate": mean_rate,
        "preset": preset,
        "seed": result.seed,
        **metrics(result),
    }
