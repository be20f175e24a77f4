"""What the demo of the whole pipe says of a burst: from files as Spark and the API server leave them."""

import json
import os
from pathlib import Path

import pytest

from sparkiot_operator.pipeline.broker import local_broker
from sparkiot_operator.pipeline.outcome import WrittenBatch, executor_requests, outcome, written_batches

BEGUN = 1_767_571_200.0


def batch(end: float, *sent: float) -> WrittenBatch:
    return WrittenBatch(BEGUN + end, tuple(BEGUN + each for each in sent))


def test_a_burst_is_judged_by_what_it_hit() -> None:
    found = outcome(
        BEGUN,
        BEGUN + 40,
        target_s=9.0,
        batches=[batch(-1, -6, -3), batch(5, -2, 1), batch(16, 2, 6, 7), batch(48, 38, 41), batch(60, 45, 50)],
        alarms=[BEGUN - 50, BEGUN + 0.5, BEGUN + 20],
        requests=[BEGUN - 100, BEGUN + 1.25, BEGUN + 1.5],
        grown=[BEGUN + 50],
    )
    assert (found.alarm_s, found.requested_s, found.running_s) == (0.5, 1.25, None)
    # Oldest messages waited 7, 14 and 10 s; the messages of the burst itself 4; 14, 10, 9; 10 s.
    assert (found.batches, found.median_s, found.worst_s) == (3, 10.0, 14.0)
    assert found.on_time == pytest.approx(1 / 3)
    assert found.messages_on_time == pytest.approx(2 / 5)


def test_a_burst_without_a_batch_has_no_figures() -> None:
    found = outcome(BEGUN, BEGUN + 40, target_s=9.0, batches=[], alarms=[], requests=[], grown=[])
    assert (found.batches, found.on_time, found.messages_on_time, found.median_s, found.worst_s) == (0, *[None] * 4)


def test_only_completed_batches_with_rows_count(tmp_path: Path) -> None:
    for number, rows, done in (
        (0, ["2026-01-05T00:00:03Z", "2026-01-05T00:00:01.500Z"], True),
        (1, [], True),
        (2, ["x"], False),
    ):
        folder = tmp_path / f"batch={number}"
        folder.mkdir()
        (folder / "part-0").write_text("".join(json.dumps({"id": 1, "time": time}) + "\n" for time in rows))
        if done:
            (folder / "_SUCCESS").touch()
            os.utime(folder / "_SUCCESS", (BEGUN + 10, BEGUN + 10))
    [found] = written_batches(tmp_path)
    assert found == WrittenBatch(BEGUN + 10, (BEGUN + 1.5, BEGUN + 3))
    assert found.latency_s == 8.5


def test_only_pods_that_a_driver_asked_for_count(tmp_path: Path) -> None:
    driver, operator = "system:serviceaccount:iot:city-driver", "system:serviceaccount:sparkiot:operator"
    events = [
        (driver, "create", {"resource": "pods"}, 2.0),
        (driver, "create", {"resource": "pods"}, 1.0),
        (driver, "get", {"resource": "pods"}, 3.0),
        (driver, "create", {"resource": "pods", "subresource": "eviction"}, 3.0),
        (driver, "create", {"resource": "configmaps"}, 3.0),
        (operator, "create", {"resource": "pods"}, 3.0),
    ]
    lines = [
        json.dumps(
            {
                "user": {"username": user},
                "verb": verb,
                "objectRef": about,
                "requestReceivedTimestamp": f"2026-01-05T00:00:0{at}00000Z",
            }
        )
        for user, verb, about, at in events
    ]
    (tmp_path / "log").write_text("\n".join(lines))
    assert executor_requests(tmp_path / "log", "iot") == [BEGUN + 1, BEGUN + 2]


def test_mosquitto_is_preferred_and_without_a_broker_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: "/usr/sbin/mosquitto")
    found = local_broker(tmp_path, 1884)
    assert found is not None
    assert found.name == "mosquitto"
    assert "listener 1884 127.0.0.1" in (tmp_path / "mosquitto.conf").read_text()
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    found = local_broker(tmp_path, 1884)
    assert found is not None
    assert found.name == "amqtt"
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert local_broker(tmp_path, 1884) is None
