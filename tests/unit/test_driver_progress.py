"""Streaming progress as Spark writes it, and what is made of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from sparkiot_driver.landing import Landing
from sparkiot_driver.progress import latency, parse, told_backlog
from sparkiot_driver.queries import KEPT_QUERIES, Queries

RATE = "RateStreamV2[rowsPerSecond=20, rampUpTimeSeconds=0, numPartitions=default"
START = 1795377328.683
"""2026-11-22T19:55:28.683Z"""


def event(
    start: str = "2026-11-22T19:55:28.683Z",
    *,
    batch: int = 7,
    rows: int = 40,
    milliseconds: int = 1200,
    source: dict[str, Any] | None = None,
    state: bool = False,
) -> dict[str, Any]:
    """A StreamingQueryProgress, shortened from one of Spark 3.5.9."""
    return {
        "id": "q",
        "runId": "r",
        "name": None,
        "timestamp": start,
        "batchId": batch,
        "numInputRows": rows,
        "inputRowsPerSecond": 20.0,
        "durationMs": {"addBatch": 1000, "triggerExecution": milliseconds},
        "stateOperators": [{"numRowsTotal": 5, "memoryUsedBytes": 1000}] * 2 if state else [],
        "sources": [source] if source else [],
        "sink": {"description": "FileSink[/out]", "numOutputRows": -1},
    }


def test_what_an_event_says_and_what_it_does_not() -> None:
    progress = parse(event(state=True))
    assert progress.start == pytest.approx(START)
    assert progress.end == pytest.approx(START + 1.2)
    assert (progress.rows, progress.input_rate, progress.processed_rate) == (40, 20.0, None)
    assert (progress.state_rows, progress.state_bytes) == (10, 2000)
    assert parse(event()).state_rows is None


def test_latency_is_the_wait_since_the_previous_batch_and_the_batch_itself() -> None:
    first = parse(event("2026-11-22T19:55:28.000Z"))
    second = parse(event("2026-11-22T19:55:30.000Z"))
    assert latency(first, None, 2.0) == pytest.approx(3.2)
    assert latency(first, None, None) == pytest.approx(1.2)
    assert latency(second, first, 2.0) == pytest.approx(3.2)


def test_a_query_that_sat_idle_kept_nobody_waiting() -> None:
    first = parse(event("2026-11-22T19:55:28.000Z"))
    later = parse(event("2026-11-22T20:55:28.000Z"))
    assert latency(later, first, 2.0) == pytest.approx(3.2)
    assert latency(later, first, 0.0) == pytest.approx(1.2)


def test_an_outage_is_waited_for_but_not_what_a_vain_look_before_it_covers() -> None:
    first = parse(event("2026-11-22T19:55:28.000Z"))
    later = parse(event("2026-11-22T19:56:08.000Z"))
    assert latency(later, first, 2.0, restarted=True) == pytest.approx(41.2)
    assert latency(later, first, 2.0, looked_until=first.start + 30, restarted=True) == pytest.approx(11.2)


def test_the_rate_source_falls_behind_while_a_batch_runs() -> None:
    source = parse(event(source={"description": RATE, "startOffset": 8, "endOffset": 10, "latestOffset": 10})).sources[
        0
    ]
    assert told_backlog(source, START) == 0
    assert told_backlog(source, START + 30) == pytest.approx(600)


def test_kafka_tells_by_partition_and_an_unknown_source_does_not() -> None:
    kafka = {
        "description": "KafkaV2[Subscribe[t]]",
        "endOffset": {"t": {"0": 10, "1": 20}},
        "latestOffset": {"t": {"0": 15, "1": 20, "2": 9}},
    }
    assert told_backlog(parse(event(source=kafka)).sources[0], START + 5) == 5
    strange = {"description": "X", "endOffset": {"a": 1}, "latestOffset": {"a": 2}}
    assert told_backlog(parse(event(source=strange)).sources[0], START) is None
    assert told_backlog(parse(event(source={"description": "MemoryStream"})).sources[0], START) is None


def test_files_that_no_completed_batch_holds_are_the_backlog(tmp_path: Path) -> None:
    folder, log = tmp_path / "in x", tmp_path / "cp" / "sources" / "0"
    folder.mkdir()
    log.mkdir(parents=True)
    for number in range(6):
        (folder / f"{number}.json").write_text("x" * (200 if number == 5 else 100))
    (folder / "_hidden").write_text("")

    def entry(name: str, batch: int) -> str:
        return json.dumps({"path": f"file://{tmp_path}/in%20x/{name}", "timestamp": 1, "batchId": batch})

    (log / "0").write_text("v1\n" + entry("0.json", 0) + "\n" + entry("1.json", 0))
    landing = Landing(f"file:{tmp_path}/in x", f"file:{log}")
    assert landing.backlog(0) is None, "files wait, but no batch has told how many rows a file holds"
    described = {
        "description": f"FileStreamSource[file:{tmp_path}/in x]",
        "startOffset": None,
        "endOffset": {"logOffset": 0},
        "numInputRows": 30,
    }
    landing.completed(parse(event(source=described)).sources[0])
    # 15 rows in 100 bytes, and what waits are three files of 100 and one of 200.
    assert landing.backlog(0) == 75
    (log / "1").write_text("v1\n" + entry("2.json", 1))
    assert landing.backlog(0) == 75, "a batch that is planned but not completed is still to do"
    assert landing.backlog(1) == 60
    assert Landing("s3a://bucket/in", f"file:{log}").backlog(0) is None


def test_queries_count_rows_batches_and_arrivals() -> None:
    queries = Queries()
    queries.started({"id": "q", "runId": "r", "name": "n", "triggerSeconds": 2.0, "checkpoint": None, "time": START})
    queries.progressed(parse(event("2026-11-22T19:55:28.000Z", batch=0)))
    queries.progressed(parse(event("2026-11-22T19:55:30.000Z", batch=1, rows=0)))
    assert (queries.rows, queries.batches) == (40, 1)
    assert queries.arrived_until == pytest.approx(START + 1.317)
    assert [b["seq"] for b in queries.batches_after(0)] == [1]
    assert queries.batches_after(1) == []
    queries.new_start()
    assert queries.active == []
    queries.started({"id": "q", "runId": "r2", "name": "n", "triggerSeconds": 2.0, "checkpoint": None, "time": START})
    queries.progressed(parse(event("2026-11-22T19:55:50.000Z", batch=2)))
    assert [(b["seq"], b["batchId"]) for b in queries.batches_after(0)] == [(1, 0), (2, 2)]
    assert queries.batches_after(1)[0]["latencySeconds"] == pytest.approx(21.2), "the outage was waited for"


def test_arrivals_of_several_queries_reach_as_far_as_the_slowest() -> None:
    queries = Queries()
    for id_ in ("q", "p"):
        queries.started({"id": id_, "runId": "r", "name": None, "time": START})
    queries.progressed(parse({**event("2026-11-22T19:55:28.000Z"), "id": "p"}))
    queries.progressed(parse(event("2026-11-22T19:55:30.000Z")))
    assert queries.arrived_until == pytest.approx(START - 0.683)
    queries.idle({"id": "p", "time": START + 100})
    assert queries.arrived_until == pytest.approx(START + 1.317)


def test_a_failed_query_is_reported_and_an_old_run_does_not_end_a_new_one() -> None:
    queries = Queries()
    queries.started({"id": "q", "runId": "new", "name": None, "time": START})
    queries.terminated({"id": "q", "runId": "old", "exception": "late"})
    assert queries.by_id["q"].to_wire(START)["active"] is True
    queries.terminated({"id": "q", "runId": "new", "exception": None})
    assert queries.failed == 1
    queries.terminated({"id": "q", "runId": "new", "exception": "boom"})
    assert queries.failed == 2
    wire = queries.by_id["q"].to_wire(START)
    assert (wire["active"], wire["exception"], wire["backlogRows"]) == (False, "boom", None)


def test_queries_without_end_are_forgotten_oldest_first() -> None:
    queries = Queries()
    for number in range(KEPT_QUERIES + 5):
        queries.started({"id": str(number), "runId": "r", "name": None, "time": START})
        queries.terminated({"id": str(number), "runId": "r", "exception": None})
    assert list(queries.by_id) == [str(n) for n in range(5, KEPT_QUERIES + 5)]
