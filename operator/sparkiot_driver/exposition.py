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
_SHUFFLE = (
    ("batches", "tiered_batches_total", "Micro-batches that went through the tiered shuffle."),
    ("retriedBatches", "tiered_retries_total", "Repetitions of batches whose blocks could not be read."),
    ("rows", "tiered_rows_total", "Rows that the tiered shuffle wrote."),
    ("rereadBytes", "tiered_reread_bytes_total", "Bytes of segments that were read more than once, counted once."),
)
_TIER = (
    ("blocks", "tier_blocks_total", "Blocks written to a tier."),
    ("rawBytes", "tier_raw_bytes_total", "Bytes of rows in blocks of a tier, before compression."),
    ("storedBytes", "tier_stored_bytes_total", "Bytes of blocks written to a tier."),
    ("readBytes", "tier_read_bytes_total", "Bytes read from a tier."),
    ("writeSeconds", "tier_write_seconds_total", "Seconds that tasks wrote to a tier."),
    ("readSeconds", "tier_read_seconds_total", "Seconds that tasks read from a tier."),
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
        ("executor_memory_ratio", "How full the fullest executor's heap got.", _ratio(observation["memoryPercent"])),
        ("executor_startup_seconds", "From request to registration, newest executor.", observation["startupSeconds"]),
        ("restart_cost_seconds", "Outage of the newest restart of Spark.", observation["restartCostSeconds"]),
        ("applied_generation", "Generation of the allocation in effect.", applied.get("generation")),
        ("applied_memory_bytes", "Memory of an executor's pod.", _bytes(applied.get("memoryMiB"))),
        ("runtime_resident_memory_bytes", "Memory of this runtime.", observation["runtime"]["rssBytes"]),
    ):
        _family(out, name, "gauge", text, [({}, value)])
    if observation["shuffle"] is not None:
        _shuffle(out, observation["shuffle"])
    cpu = observation["runtime"]["cpuSeconds"]
    _family(out, "runtime_cpu_seconds_total", "counter", "Processor time of this runtime.", [({}, cpu)])
    version = {"spark_version": observation["sparkVersion"] or "", "state": observation["state"]}
    _family(out, "info", "gauge", "The driver's state and its Spark.", [(version, 1)])
    return "".join(out)


def _shuffle(out: list[str], shuffle: JSON) -> None:
    """Of the tiered shuffle: sums, the newest batch, each tier."""
    for key, name, text in _SHUFFLE:
        _family(out, name, "counter", text, [({}, shuffle["totals"][key])])
    for key, name, text in _TIER:
        _family(out, name, "counter", text, [({"tier": tier["tier"]}, tier[key]) for tier in shuffle["tiers"]])
    failures = [
        ({"tier": tier["tier"], "reason": reason}, count)
        for tier in shuffle["tiers"]
        for reason, count in tier["failures"].items()
    ]
    _family(out, "tier_failures_total", "counter", "Micro-batches in which a tier failed, by reason.", failures)
    down = {tier["tier"] for tier in shuffle["down"]}
    works = [({"tier": tier["tier"]}, float(tier["tier"] not in down)) for tier in shuffle["tiers"]]
    _family(out, "tier_working", "gauge", "Whether a tier is used, or left alone until its next trial.", works)
    newest = shuffle["batches"][-1]
    labels = {key: newest[key] for key in ("tier", "compression")}
    _family(out, "tiered_batch_info", "gauge", "1; tier and compression of the newest batch.", [(labels, 1)])
    for name, text, value in (
        ("tiered_batch_ratio", "Stored by raw bytes of the newest batch.", newest["ratio"]),
        ("data_temperature_ratio", "Probability that shuffled data is read again.", shuffle["temperature"]),
    ):
        _family(out, name, "gauge", text, [({}, value)])


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


def _ratio(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _bytes(mib: int | None) -> int | None:
    return None if mib is None else mib * 2**20
