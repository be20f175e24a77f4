"""The observation as Prometheus text (exposition format 0.0.4). Pure; what is missing is left out."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Optional, Tuple

JSON = Mapping[str, Any]
Sample = Tuple[Mapping[str, str], Optional[float]]

_TOTALS = (
    ("rows", "rows_total", "Rows in completed micro-batches."),
    ("batches", "batches_total", "Completed micro-batches that had rows."),
    ("failedBatches", "failed_batches_total", "Micro-batches that failed, and ended their query."),
    ("shuffleWriteBytes", "shuffle_write_bytes_total", "Bytes that executors wrote for shuffles."),
    ("shuffleReadBytes", "shuffle_read_bytes_total", "Bytes that executors read from shuffles."),
    ("inputBytes", "input_bytes_total", "Bytes that executors read from sources."),
    ("spillBytes", "spill_bytes_total", "Bytes that stages spilled from memory and to disk."),
    ("gcSeconds", "gc_seconds_total", "Seconds that executors collected garbage."),
    ("taskSeconds", "task_seconds_total", "Seconds that executors ran tasks."),
    ("failedTasks", "failed_tasks_total", "Failed tasks."),
    ("executorsLost", "executors_lost_total", "Executors that went without being told to."),
    ("executorsOutOfMemory", "executors_out_of_memory_total", "Executors that ended for lack of memory."),
)
_QUERY = (
    ("inputRowsPerSecond", "query_input_rows_per_second", "Rows that arrive a second, by the newest batch."),
    ("processedRowsPerSecond", "query_processed_rows_per_second", "Rows processed a second, by the newest batch."),
    ("backlogRows", "query_backlog_rows", "Rows that wait in the query's sources."),
    ("stateRows", "query_state_rows", "Rows in the query's state."),
    ("stateBytes", "query_state_bytes", "Bytes of the query's state in memory."),
    ("batchRunningSeconds", "query_batch_running_seconds", "Seconds that the present micro-batch runs."),
    ("triggerIntervalSeconds", "query_trigger_interval_seconds", "The query's trigger interval."),
)


def render(observation: JSON) -> str:
    """Text for ``GET /metrics`` from what ``GET /v1/observation`` answers."""
    out: list[str] = []
    for key, name, text in _TOTALS:
        _family(out, name, "counter", text, [({}, observation["totals"][key])])
    for key, name, text in _QUERY:
        samples = [({"query": q["name"] or q["id"]}, q[key]) for q in observation["queries"]]
        _family(out, name, "gauge", text, samples)
    active = [({"query": q["name"] or q["id"]}, float(q["active"])) for q in observation["queries"]]
    _family(out, "query_active", "gauge", "Whether the query runs.", active)
    executors, applied = observation["executors"], observation["applied"] or {}
    _family(
        out,
        "executors",
        "gauge",
        "Executors by state.",
        [({"state": s}, executors[s]) for s in ("wanted", "running", "pending")],
    )
    latest = observation["batches"][-1] if observation["batches"] else {}
    for name, text, value in (
        ("batch_duration_seconds", "Duration of the newest micro-batch.", latest.get("durationSeconds")),
        ("batch_latency_seconds", "Latency of the newest micro-batch's oldest row.", latest.get("latencySeconds")),
        ("executor_memory_percent", "How full the fullest executor's heap got.", observation["memoryPercent"]),
        ("executor_startup_seconds", "From request to registration, newest executor.", observation["startupSeconds"]),
        ("restart_cost_seconds", "Outage of the newest restart of Spark.", observation["restartCostSeconds"]),
        ("applied_generation", "Generation of the allocation in effect.", applied.get("generation")),
        ("applied_memory_bytes", "Memory of an executor's pod.", _bytes(applied.get("memoryMiB"))),
        ("runtime_resident_memory_bytes", "Memory of this runtime.", observation["runtime"]["rssBytes"]),
    ):
        _family(out, name, "gauge", text, [({}, value)])
    cpu = observation["runtime"]["cpuSeconds"]
    _family(out, "runtime_cpu_seconds_total", "counter", "Processor time of this runtime.", [({}, cpu)])
    version = {"spark_version": observation["sparkVersion"] or "", "state": observation["state"]}
    _family(out, "info", "gauge", "The driver's state and its Spark.", [(version, 1)])
    return "".join(out)


def _family(out: list[str], name: str, kind: str, text: str, samples: Iterable[Sample]) -> None:
    lines = [
        f"sparkiot_driver_{name}{_labels(labels)} {float(value)!r}\n" for labels, value in samples if value is not None
    ]
    if lines:
        out.append(f"# HELP sparkiot_driver_{name} {text}\n# TYPE sparkiot_driver_{name} {kind}\n")
        out.extend(lines)


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _bytes(mib: int | None) -> int | None:
    return None if mib is None else mib * 2**20
