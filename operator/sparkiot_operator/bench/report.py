"""The curve as people and machines read it: table, CSV and Markdown."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sparkiot_sim.tournament.report import markdown_table, write_csv

from .figures import Figures

HEADINGS = {
    "jobs": "jobs",
    "cores": "cores",
    "rss": "RSS MB",
    "decisions": "decisions/s",
    "skipped": "skipped",
    "errors": "errors",
    "p50": "late p50 %",
    "p99": "late p99 %",
    "writes": "API writes/s",
    "by_verb": "of these",
    "load": "load",
}
NOTE = (
    "Decisions a second: measured / wanted. Late: between a decision's due time and its start, in percent of the"
    " interval, upper bound of the histogram's bucket. Load: load average of the measuring machine in the last minute."
)


def shown(row: Figures) -> dict[str, str]:
    """One row under HEADINGS; a dash for what the operator does not tell."""
    return {
        "jobs": str(row.jobs),
        "cores": _number(row.cores, 2),
        "rss": _number(row.rss_mb, 0),
        "decisions": f"{_number(row.decisions, 1)} / {row.decisions_wanted:.1f}",
        "skipped": f"{row.skipped:.0f}",
        "errors": f"{row.errors:.0f}",
        "p50": _percent(row.lateness_p50),
        "p99": _percent(row.lateness_p99),
        "writes": f"{sum(row.api_writes.values()):.1f}" if row.api_writes else _number(row.status_writes, 1),
        "by_verb": ", ".join(f"{verb} {rate:.1f}" for verb, rate in row.api_writes.items()) or "status alone",
        "load": f"{row.load:.1f}",
    }


def document(row: Figures) -> dict[str, Any]:
    """One row for machines: flat, unrounded, None for what is not known."""
    fields = ("jobs", "interval_s", "seconds", "cores", "rss_mb", "decisions", "decisions_wanted", "skipped", "errors")
    late = ("lateness_p50", "lateness_p99", "status_writes", "load")
    writes = {f"api_{verb.lower()}": row.api_writes.get(verb) for verb in ("POST", "PUT", "PATCH", "DELETE")}
    return {**{name: getattr(row, name) for name in (*fields, *late)}, **writes}


def write(folder: Path, rows: Sequence[Figures], *, title: str) -> None:
    """operator.csv and operator.md. Raises OSError when one cannot be written."""
    write_csv(folder / "operator.csv", [document(row) for row in rows])
    table = markdown_table(tuple(HEADINGS.values()), [tuple(shown(row).values()) for row in rows])
    (folder / "operator.md").write_text("\n".join((f"# {title}", "", *table, "", NOTE)) + "\n", encoding="utf-8")


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _percent(share: float | None) -> str:
    if share is None:
        return "–"
    return "> the last bucket" if share == float("inf") else f"{100 * share:.3g}"
