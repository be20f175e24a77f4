"""Whoever reads what others wrote either understands it or says that it does not, by its own kind of error."""

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError
from support_fuzz import damaged, examples, refusing, texts, values
from support_jobs import Scripted, allocation, evaluation, job
from support_policies import policy_artifact
from support_spark import wire_batch, wire_query

from sparkiot_driver.landing import Landing
from sparkiot_edge.forwarding.message import LineWriter, Message
from sparkiot_operator.audit import AuditError, AuditRecord, encode_record, read_audit
from sparkiot_operator.events import JobRef
from sparkiot_operator.landing import LandingError, check_sink
from sparkiot_operator.resource.status import SparkIoTJobStatus
from sparkiot_operator.signals.inbox import Accepted, SignalInbox
from sparkiot_operator.spark.measurement import measure
from sparkiot_operator.spark.report import DriverReport
from sparkiot_operator.spark.shuffle_state import shuffle_state
from sparkiot_operator.status import to_json
from sparkiot_policies.artifact import load_artifact
from sparkiot_policies.decide import decide
from sparkiot_policies.errors import PolicyError
from sparkiot_policies.job import Prices
from sparkiot_policies.manifest import MANIFEST_FILE, digest_of_manifest

NOW = 1_767_571_200.0
TOTALS = ("rows", "batches", "failedBatches", "arrivedUntil", "shuffleWriteBytes", "shuffleReadBytes", "inputBytes")
REPORT: dict[str, Any] = {
    "time": NOW,
    "incarnation": "a",
    "state": "Running",
    "startedAt": NOW - 60,
    "figuresAt": NOW - 1,
    "queries": [wire_query(active=True, backlogRows=10.0, backlogTime=NOW, triggerIntervalSeconds=1.0, stateBytes=5)],
    "batches": [wire_batch(7, end=NOW - 2)],
    "totals": dict.fromkeys(TOTALS, 100) | {"taskSeconds": 5.0, "executorsLost": 1, "executorsOutOfMemory": 0},
    "executors": {"wanted": 3, "running": 2, "pending": 1, "cores": 1, "list": [{"id": "1"}], "removed": [{"id": "0"}]},
    "memoryPercent": 50.0,
    "applied": {"generation": 1, "executors": 2, "memoryMiB": 1024, "tier": "Hot", "compression": "LZ4", "time": NOW},
    "shuffle": {
        "batches": [{"seq": 1, "wantedTier": "Hot", "tier": "Warm", "compression": "LZ4", "ratio": 0.5, "seconds": 1}],
        "totals": {"batches": 1, "rawBytes": 100, "storedBytes": 50},
        "down": [{"tier": "Hot", "reason": "TierUnavailable", "since": NOW, "retryAt": NOW + 30}],
        "temperature": 0.25,
    },
    "tierChecks": [{"tier": "Cold", "reason": "TierRefused", "message": "no", "time": NOW}],
}


@examples(40)
@given(damaged(REPORT), damaged(REPORT))
@example(REPORT, REPORT | {"totals": {"rows": 10**400}})
@example(
    REPORT,
    REPORT | {"queries": [wire_query(active=True, backlogRows=1e308), wire_query(active=True, backlogRows=1e308)]},
)
@example(REPORT, REPORT | {"time": -1e308})
@example(REPORT, REPORT | {"shuffle": REPORT["shuffle"] | {"down": [{"tier": "Hot", "reason": "r", "since": 1e300}]}})
@example(REPORT, REPORT | {"tierChecks": [{"tier": "Lukewarm", "reason": "TierRefused"}]})
@example(REPORT, REPORT | {"applied": REPORT["applied"] | {"executors": -1}})
@example(REPORT, REPORT | {"batches": [wire_batch(2**70, end=NOW)]})
def test_fuzz_a_drivers_report_is_refused_or_a_measurement(first: Any, second: Any) -> None:
    """What it says is only what a status, a metric and the audit log can hold: numbers, none of them endless."""
    previous = None
    for document in (first, second):
        try:
            report = DriverReport.model_validate_json(json.dumps(document))
        except (ValidationError, ValueError):
            continue
        found = measure(previous, report, now=NOW, prices=Prices(), desired=allocation(), unschedulable=0)
        for value in (getattr(found, name) for name in found.__dataclass_fields__):
            assert not isinstance(value, float) or math.isfinite(value)
        assert found.running is None or found.running >= 0
        state = shuffle_state(report, None)
        orjson.dumps(to_json(SparkIoTJobStatus(shuffle=state.status)))
        assert report.last_seq is None or report.last_seq < 10**18
        previous = report


def record() -> AuditRecord:
    seen = evaluation()
    decision = decide(job(), seen, Scripted(allocation(5)), fallback=Scripted(allocation()))
    return AuditRecord(JobRef("iot", "city", "uid-1"), 3, job(), seen, decision)


LINE = json.loads(orjson.dumps(encode_record(record())))


@examples(25)
@given(damaged(LINE) | values)
@example(LINE | {"namespace": 5})
@example(LINE | {"generation": "3"})
@example(LINE | {"generation": None})
@example(LINE | {"job": LINE["job"] | {"interval_s": 10**400}})
def test_fuzz_a_line_of_the_audit_log_is_a_record_or_named(line: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "decisions.jsonl"
        path.write_bytes(json.dumps(line).encode() + b"\n")
        found = None
        with refusing(AuditError, naming=f"{path}:1: "):
            (found,) = read_audit([path])
    if found is None:
        return
    assert found.ref == JobRef(str(found.ref.namespace), str(found.ref.name), str(found.ref.uid))
    assert type(found.generation) is int
    again = encode_record(found)
    orjson.dumps(again)


@examples(25)
@given(st.binary(max_size=200))
@example(b"[" * 100_000)
@example(b"\xff\xfe")
@example(b"{}\r")
def test_fuzz_bytes_that_are_no_audit_log_are_named(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "decisions.jsonl"
        path.write_bytes(content + b"\n")
        with refusing(AuditError, naming=f"{path}:"):
            assert list(read_audit([path])) == []


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifact")
    policy_artifact(folder)
    return folder


@examples(25)
@given(data=st.data(), sealed=st.booleans())
def test_fuzz_a_policys_manifest_is_whole_or_refused(artifact: Path, data: st.DataObject, sealed: bool) -> None:
    """sealed: its author made its digest fit, so that only what it says can be wrong."""
    whole = json.loads((artifact / MANIFEST_FILE).read_text())
    found = data.draw(damaged(whole))
    if sealed and isinstance(found, dict):
        try:
            found["digest"] = digest_of_manifest({key: value for key, value in found.items() if key != "digest"})
        except (ValueError, TypeError):
            return
    with tempfile.TemporaryDirectory() as folder:
        for file in artifact.iterdir():
            (Path(folder) / file.name).write_bytes(file.read_bytes())
        (Path(folder) / MANIFEST_FILE).write_bytes(json.dumps(found).encode())
        loaded = None
        with refusing(PolicyError, naming=folder):
            loaded = load_artifact(Path(folder))
    assert loaded is None or loaded.manifest.digest == loaded.manifest.computed_digest()


SIGNAL: dict[str, Any] = {
    "schema": 1,
    "time": NOW,
    "horizon": 60.0,
    "predictedRate": 812.5,
    "probability": 0.75,
    "alarm": True,
    "model": "Temporal",
    "source": "gateway-1/city",
}


@examples(25)
@given(
    st.lists(
        st.tuples(
            st.binary(max_size=60) | (damaged(SIGNAL) | values).map(lambda value: json.dumps(value).encode()),
            st.floats(NOW - 400, NOW + 400),
            st.booleans(),
        ),
        max_size=6,
    )
)
@example([(b"[" * 2000, NOW, True), (b'{"schema":' * 200, NOW, True)])
def test_fuzz_an_inbox_counts_each_payload_and_believes_no_wild_one(payloads: list[tuple[bytes, float, bool]]) -> None:
    inbox = SignalInbox(stale_after_s=30, max_rate=1e6)
    for number, (payload, now, direct) in enumerate(payloads, start=1):
        taken = inbox.take(payload, now=now, direct=direct)
        assert inbox.received == number
        if isinstance(taken, Accepted):
            assert 0 <= taken.signal.predicted_rate <= 1e6
            assert now - 30 <= taken.time <= now
    edge = inbox.edge_signal()
    assert edge is None or math.isfinite(edge.predicted_rate)


@examples(25)
@given(
    (values | damaged({"id": "a", "device": "d", "value": 1.5})).map(lambda value: json.dumps(value).encode()), texts
)
def test_fuzz_any_message_of_a_device_is_one_line(payload: bytes, topic: str) -> None:
    topic = topic.encode("utf-8", "replace").decode()
    line = LineWriter(source="g1").line(Message(topic, payload, 1, NOW))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    row = orjson.loads(line)
    assert row["payload"].encode() == payload
    assert 0 < len(row["id"]) <= 128
    assert row["device"] is None or 0 < len(row["device"]) <= 128


ENTRY = {"path": "file:///in/rows.json", "timestamp": 1, "batchId": 3}


def written(folder: Path, version: str, lines: list[Any]) -> Path:
    log = folder / "_spark_metadata"
    log.mkdir()
    text = "\n".join([version, *(line if isinstance(line, str) else json.dumps(line) for line in lines)])
    (log / "3").write_bytes(text.encode("utf-8", "replace"))
    return log


logs = st.lists(damaged(ENTRY) | values | texts, max_size=3)


@examples(20)
@given(st.sampled_from(["v1", "v2", ""]), logs)
@example("v1", [5])
@example("v1", [{"path": 5}])
@example("v1", [{"path": None}])
@example("v1", [{"path": ""}])
@example("v1", [{"path": "file://[/x"}])
@example("v1", ["[" * 3000])
def test_fuzz_a_sinks_log_is_read_or_named(version: str, lines: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        written(Path(folder), version, lines)
        with refusing(LandingError, naming=folder):
            check_sink(Path(folder), range(3))


@examples(20)
@given(values | texts)
@example(5)
@example({"id": [1]})
@example("[" * 3000)
def test_fuzz_a_sinks_row_is_read_or_named(row: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        batch = Path(folder) / "batch=0"
        batch.mkdir()
        (batch / "_SUCCESS").touch()
        content = row if isinstance(row, str) else json.dumps(row)
        (batch / "part-0").write_bytes(content.encode("utf-8", "replace"))
        with refusing(LandingError, naming=folder):
            check_sink(Path(folder), range(3))


@examples(20)
@given(logs)
@example([5])
@example([{"path": "file://[/x", "batchId": 1}])
@example(["[" * 3000])
def test_fuzz_a_sources_log_never_stops_the_drivers_report(lines: list[Any]) -> None:
    """A backlog that cannot be told is None, and the rest of the observation goes on."""
    with tempfile.TemporaryDirectory() as folder:
        log = written(Path(folder), "v1", lines)
        (Path(folder) / "rows.json").write_text("{}\n")
        backlog = Landing(folder, str(log)).backlog(0)
        assert backlog is None or backlog >= 0
