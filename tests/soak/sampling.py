"""What is looked at every few seconds: both processes, what the API server stores, the operator's own counters."""

import contextlib
import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import psutil

from sparkiot_operator.audit import FILE_NAME
from sparkiot_operator.bench.figures import READS, Look
from sparkiot_operator.kube import KubeApi

MIB = 1024 * 1024
TAIL_BYTES = 8 * MIB
"""Of the audit log: more than a minute of fifty jobs."""


class Table:
    """A CSV file that grows by rows; each is on disk at once, so that a run can be read while it goes on."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.DictWriter(self._file, columns)
        self._writer.writeheader()

    def add(self, row: Mapping[str, Any]) -> None:
        self._writer.writerow(row)
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class Watched:
    """One process: resident memory in MiB, open files, threads, processor time in seconds so far."""

    FIELDS = ("rss_mib", "fds", "threads", "cpu_s")

    def __init__(self, name: str, pid: int) -> None:
        self.name = name
        self._process = psutil.Process(pid)

    def look(self) -> dict[str, float]:
        with self._process.oneshot():
            times = self._process.cpu_times()
            values = (
                self._process.memory_info().rss / MIB,
                self._process.num_fds(),
                self._process.num_threads(),
                times.user + times.system,
            )
        return {f"{self.name}_{field}": value for field, value in zip(self.FIELDS, values, strict=True)}


PROCESS_COUNTERS = {
    "decisions": "sparkiot_cycle_duration_seconds_count",
    "status_writes": "sparkiot_status_writes_total",
    "audit_errors": "sparkiot_audit_errors_total",
}
JOB_COUNTERS = {"skipped": "sparkiot_job_cycles_skipped_total", "cycle_errors": "sparkiot_job_cycle_errors_total"}


class Counters:
    """The operator's counters. Those of a job end with it, and so what they grew by is summed here."""

    FIELDS = (*PROCESS_COUNTERS, "status_writes_failed", "api_writes", "api_watches", *JOB_COUNTERS)

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], float] = {}
        self._grown = dict.fromkeys(JOB_COUNTERS, 0.0)

    def look(self, look: Look) -> dict[str, float]:
        """One value for each of FIELDS; a counter that the operator does not have yet is 0."""
        for field, metric in JOB_COUNTERS.items():
            for name, value in look.by(metric, "name").items():
                before = self._last.get((field, name), 0.0)
                self._grown[field] += value - before if value >= before else value
                self._last[field, name] = value
        found = {name: look.total(metric) or 0.0 for name, metric in PROCESS_COUNTERS.items()}
        failed = look.total("sparkiot_status_writes_total", lambda sample: sample.labels["outcome"] == "failed")
        calls = look.by("sparkiot_api_requests_total", "verb")
        found["status_writes_failed"] = failed or 0.0
        found["api_writes"] = sum(count for verb, count in calls.items() if verb not in READS)
        found["api_watches"] = calls.get("WATCH", 0.0)
        return {**found, **self._grown}


async def collections(api: KubeApi) -> list[str]:
    """The paths of all that can be listed over all namespaces. Raises ApiError."""
    groups = (await api.read("/apis"))["groups"]
    roots = ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups)]
    return [
        f"{root}/{resource['name']}"
        for root in roots
        for resource in (await api.read(root))["resources"]
        if "list" in resource["verbs"] and "/" not in resource["name"]
    ]


def disk_mib(*folders: Path) -> float:
    """What the files below these folders take."""
    sizes = 0
    for path in (path for folder in folders for path in folder.rglob("*")):
        with contextlib.suppress(FileNotFoundError):  # rotated away just now
            sizes += path.stat().st_size
    return sizes / MIB


def audit_tail(folder: Path) -> list[dict[str, Any]]:
    """The newest whole lines of the audit log, also where it was rotated just now."""
    lines: list[bytes] = []
    for path in (folder / f"{FILE_NAME}.1", folder / FILE_NAME):
        try:
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(size - TAIL_BYTES, 0))
                found = file.read().split(b"\n")
        except FileNotFoundError:
            continue
        lines += found[1 if size > TAIL_BYTES else 0 : -1]
    return [orjson.loads(line) for line in lines]
