"""What a soak showed, read from its folder: trends against their bounds, drift, events, and whether that is well."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .jobs import ACCELERATION
from .trend import Trend, Verdict, trend

WARM_UP_MIN = 45.0
"""Until what is bounded has filled: at ten writes a second the API server's 20,000 remembered requests take about half
an hour, its 10,000 remembered changes and its events, which live 15 minutes here, less."""
STORM_PER_HOUR = 60.0
"""Events of one reason on one job in an hour that are a storm: the operator's own limit is one in 60 s."""
LOG_MARKS = (" ERROR ", "Traceback (most recent call last)")
LEAST_HOURS = 0.25
"""Below that the jobs' start is most of what was seen, and they do not decide yet."""
RETRIED = "failed; will retry"
"""How kopf tells of a request that was not answered in time, as on a machine that is short of processors."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A column of samples.csv that shall be flat. bound: the most that it may grow, units an hour."""

    column: str
    title: str
    unit: str
    bound: float


MEASURES = (
    Measure("operator_rss_mib", "operator, resident memory", "MiB", 4.0),
    Measure("cluster_rss_mib", "API server, resident memory", "MiB", 4.0),
    Measure("operator_fds", "operator, open files", "", 2.0),
    Measure("cluster_fds", "API server, open files", "", 2.0),
    Measure("operator_threads", "operator, threads", "", 1.0),
    Measure("cluster_threads", "API server, threads", "", 1.0),
    Measure("objects_others", "objects stored, without events", "", 10.0),
    Measure("disk_mib", "files of API server and audit log", "MiB", 10.0),
)
"""4 MiB an hour are 96 MiB a day: an operator of 50 jobs would reach the chart's limit of 1 GiB after a week."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """trends: None where there are too few samples. drift: lines of drift.csv. events: by job and reason. hours: real
    ones. logged: lines in the logs that tell of an error."""

    samples: Sequence[Mapping[str, float]]
    warm_up_min: float
    trends: Mapping[Measure, Trend | None]
    drift: Sequence[str]
    events: Mapping[tuple[str, str], int]
    actions: Mapping[str, int]
    hours: float
    logged: Sequence[str]

    @property
    def verdicts(self) -> dict[Measure, Verdict]:
        return {
            measure: found.verdict(measure.bound) if found else Verdict.UNDECIDED
            for measure, found in self.trends.items()
        }

    @property
    def last(self) -> Mapping[str, float]:
        return self.samples[-1]

    @property
    def events_per_job_hour(self) -> float:
        """Real hours."""
        return sum(self.events.values()) / self.last["jobs"] / self.hours

    @property
    def events_per_job_load_hour(self) -> float:
        """Hours of load, which pass faster."""
        return self.events_per_job_hour / ACCELERATION

    @property
    def storms(self) -> dict[tuple[str, str], float]:
        """Job and reason, and how many an hour; of less than an hour, as if it had been a whole one."""
        hours = max(self.hours, 1.0)
        return {key: count / hours for key, count in self.events.items() if count / hours > STORM_PER_HOUR}

    @property
    def faults(self) -> list[str]:
        """All that must not be; empty when the soak went well."""
        found = [f"{measure.title} grows" for measure, verdict in self.verdicts.items() if verdict is Verdict.GROWS]
        counted = {"cycle_errors": "cycles failed", "audit_errors": "decisions were not audited"}
        found += [f"{self.last[column]:.0f} {what}" for column, what in counted.items() if self.last[column]]
        found += [f"drift: {line}" for line in self.drift]
        found += [f"event storm: {job}: {reason}" for job, reason in self.storms]
        found += [f"logged: {line}" for line in self.logged]
        if not any(sample["compared"] for sample in self.samples):
            found.append("no status was compared with the audit log")
        if self.hours > LEAST_HOURS and all(sample["starved"] for sample in self.samples):
            found.append("the machine never let the operator keep up")
        return found


def read(folder: Path) -> Findings:
    """The findings so far; the soak may still run. Raises OSError, or ValueError where there is no sample."""
    samples = [
        {key: float(value) for key, value in row.items()} | {"objects_others": _difference(row)}
        for row in _rows(folder / "samples.csv")
    ]
    if not samples:
        raise ValueError(f"{folder}: no sample yet")
    end = samples[-1]["minutes"]
    warm_up = min(WARM_UP_MIN, end / 2)
    kept = [sample for sample in samples if sample["minutes"] >= warm_up]
    minutes = [sample["minutes"] for sample in kept]
    events = Counter((row["job"], row["reason"]) for row in _rows(folder / "events.csv"))
    return Findings(
        samples=samples,
        warm_up_min=warm_up,
        trends={measure: trend(minutes, [sample[measure.column] for sample in kept]) for measure in MEASURES},
        drift=[f"minute {row['minutes']}: {row['job']}: {row['what']}" for row in _rows(folder / "drift.csv")],
        events=events,
        actions=Counter(row["what"].partition(":")[0] for row in _rows(folder / "actions.csv")),
        hours=end / 60,
        logged=[
            f"{name}: {line}"
            for name in ("operator.log", "dev.log")
            for line in (folder / name).read_text(errors="replace").splitlines()
            if any(mark in line for mark in LOG_MARKS) and RETRIED not in line
        ],
    )


def _rows(path: Path) -> list[dict[str, str]]:
    """Whole rows: the last one may be under way."""
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if None not in row.values()]


def _difference(row: Mapping[str, str]) -> float:
    return float(row["objects"]) - float(row["objects_events"])
