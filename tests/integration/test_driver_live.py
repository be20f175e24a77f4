"""The driver's runtime with a real Spark: an unmodified file runs, is seen, rescaled, restarted and ended."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_driver import FILE_ROWS, PATIENCE, STREAM, Driver, Feeder, driver, sink_rows

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Driver, Feeder]]:
    """One job on Spark's local cluster of three workers; the tests below lead it through its life in order."""
    folder = tmp_path_factory.mktemp("live") / "job"
    with driver(folder, STREAM, master="local-cluster[3,1,2048]") as one:
        feeder = Feeder(one.landing)
        try:
            yield one, feeder
        finally:
            feeder.stop()


def test_the_users_file_runs_unchanged_and_is_observed(live: tuple[Driver, Feeder]) -> None:
    one, _ = live
    seen = one.until("batches and one executor", lambda o: o["totals"]["batches"] >= 2 and o["applied"])
    assert seen["state"] == "Running"
    assert seen["executors"]["running"] == 1
    assert seen["applied"]["generation"] == 1
    query = seen["queries"][0]
    assert (query["name"], query["active"], query["triggerIntervalSeconds"]) == ("copy", True, 1.0)
    assert query["backlogRows"] is not None
    assert query["backlogRows"] >= 0
    batch = seen["batches"][-1]
    assert batch["rows"] % FILE_ROWS == 0
    assert batch["latencySeconds"] >= batch["durationSeconds"] > 0
    assert sum(b["rows"] for b in seen["batches"]) == seen["totals"]["rows"]
    assert one.observe(after=batch["seq"] - 1)["batches"][0]["seq"] == batch["seq"]
    assert seen["runtime"]["cpuSeconds"] > 0


def test_only_the_token_opens_the_endpoint(live: tuple[Driver, Feeder]) -> None:
    one, _ = live
    for token in (None, "", "wrong"):
        for method, path in (("GET", "/v1/observation"), ("GET", "/metrics"), ("PUT", "/v1/allocation")):
            assert one.request(method, path, {} if method == "PUT" else None, token=token)[0] == 401
    assert one.request("GET", "/healthz", token=None) == (200, "ok\n")
    assert one.request("PUT", "/v1/allocation", raw=b"x" * 70_000)[0] == 413
    assert one.request("PUT", "/v1/allocation", raw=b"{")[0] == 400
    assert one.request("GET", "/v1/nothing")[0] == 404
    metrics = one.request("GET", "/metrics")[1]
    assert 'sparkiot_driver_executors{state="running"} 1.0' in metrics
    assert 'sparkiot_driver_query_active{query="copy"} 1.0' in metrics


def test_executors_come_at_once_and_stale_generations_do_not_count(live: tuple[Driver, Feeder]) -> None:
    one, _ = live
    assert one.allocate(5, 3) == (200, {"generation": 5, "state": "Applying"})
    assert one.allocate(5, 3)[0] == 200
    status, answer = one.allocate(4, 1)
    assert (status, answer["generation"]) == (409, 5)
    status, answer = one.allocate(6, 0)
    assert status == 400
    assert "executors must be" in answer["error"]
    status, answer = one.allocate(6, 2, memory_mib=600)
    assert status == 400
    assert "600 MiB leaves 216 MiB of heap" in answer["error"]
    seen = one.until("three executors", lambda o: o["applied"]["generation"] == 5)
    assert seen["executors"]["running"] == 3
    assert seen["applied"]["costSeconds"] > 0
    assert max(e["startupSeconds"] for e in seen["executors"]["list"]) > 0
    assert one.allocate(5, 3) == (200, {"generation": 5, "state": "Applied"})


def test_executors_go_gracefully_and_a_lost_one_comes_back(live: tuple[Driver, Feeder]) -> None:
    one, _ = live
    before = one.observe()
    assert one.allocate(7, 1)[0] == 200
    seen = one.until("one executor", lambda o: o["applied"]["generation"] == 7)
    assert seen["executors"]["running"] == 1
    assert seen["totals"]["executorsLost"] == before["totals"]["executorsLost"] == 0
    assert seen["totals"]["failedTasks"] == 0
    assert all(r["wanted"] for r in seen["executors"]["removed"])
    lost = seen["executors"]["list"][0]["id"]
    os.kill(one.executor_pid(seen["applicationId"], lost), signal.SIGKILL)
    seen = one.until("a replacement", lambda o: o["totals"]["executorsLost"] == 1 and o["executors"]["running"] == 1)
    assert seen["executors"]["list"][0]["id"] != lost
    assert seen["executors"]["removed"][-1]["wanted"] is False
    assert seen["totals"]["executorsOutOfMemory"] == 0
    assert one.observe()["queries"][0]["active"]


def test_an_executor_that_has_to_end_is_replaced_before_it_has_left(live: tuple[Driver, Feeder]) -> None:
    one, _ = live
    before = one.observe()
    (ending,) = (listed["id"] for listed in before["executors"]["list"])
    for wrong in ({}, {"applicationId": 3, "executors": []}, {"applicationId": "a", "executors": [3]}):
        assert one.request("POST", "/v1/notice", wrong)[0] == 400
    other = {"applicationId": "another-start", "executors": [ending]}
    notice = {"applicationId": before["applicationId"], "executors": [ending]}
    for _ in range(2):  # it is said again at each look
        assert one.request("POST", "/v1/notice", other)[0] == one.request("POST", "/v1/notice", notice)[0] == 202
    seen = one.until(
        "another executor instead",
        lambda o: (
            [listed["id"] for listed in o["executors"]["list"]] not in ([ending], [])
            and ending not in [listed["id"] for listed in o["executors"]["list"]]
        ),
    )
    assert seen["executors"]["removed"][-1]["id"] == ending
    assert seen["executors"]["removed"][-1]["wanted"] is True
    assert seen["totals"]["executorsNoticed"] == before["totals"]["executorsNoticed"] + 1
    assert seen["totals"]["executorsLost"] == before["totals"]["executorsLost"]
    assert seen["desired"] == before["desired"]


def test_memory_changes_by_a_restart_that_neither_loses_nor_doubles_a_row(live: tuple[Driver, Feeder]) -> None:
    one, feeder = live
    before = one.observe()
    assert one.allocate(8, 2, memory_mib=1536)[0] == 200
    seen = one.until("the restart", lambda o: o["applied"]["generation"] == 8)
    assert seen["applied"]["memoryMiB"] == 1536
    assert seen["applied"]["costSeconds"] == seen["restartCostSeconds"] > 0
    assert seen["incarnation"] == before["incarnation"]
    assert seen["applicationId"] != before["applicationId"]
    assert seen["totals"]["rows"] > before["totals"]["rows"]
    assert seen["queries"][0]["id"] == before["queries"][0]["id"]
    landed = feeder.stop()
    one.until("all rows", lambda o: o["totals"]["rows"] >= landed and o["queries"][0]["backlogRows"] == 0)
    assert sink_rows(one.sink) == list(range(landed))


def test_sigterm_stops_at_a_batch_boundary_and_leaves_nothing(live: tuple[Driver, Feeder]) -> None:
    one, _ = live
    one.process.send_signal(signal.SIGTERM)
    assert one.wait() == 143
    assert one.processes() == []
    assert not (one.folder / "termination").exists()
    assert "the user's file went on" not in one.log
    assert "token-of-the-tests" not in one.log


def test_a_file_that_fails_to_import_says_so(tmp_path: Path) -> None:
    with driver(tmp_path / "job", "import no_such_module_anywhere\n") as one:
        assert one.wait() == 1
        assert one.termination["reason"] == "ApplicationFailed"
        assert one.termination["message"].startswith("ModuleNotFoundError: No module named 'no_such_module_anywhere'")
        assert 'main.py", line 1' in one.log
        assert "runner.py" not in one.log.split("Traceback")[1].split("ModuleNotFoundError")[0]


def test_a_missing_file_and_a_wrong_spark_are_not_retried(tmp_path: Path) -> None:
    with driver(tmp_path / "missing", None) as one:
        assert one.wait() == 78
        assert one.termination["reason"] == "MainFileNotFound"
        assert "main.py" in one.termination["message"]
    with driver(tmp_path / "wrong", "raise SystemExit('the user code ran')", spark_version="2.4.8") as one:
        assert one.wait() == 78
        assert one.termination["reason"] == "SparkVersionMismatch"
        assert "2.4.8" in one.termination["message"]
        assert "the user code ran" not in one.log


def test_a_failing_batch_ends_with_the_cause_first(tmp_path: Path) -> None:
    source = STREAM.replace("rows.repartition(2)", "rows.selectExpr(\"raise_error('row broke')\")")
    with driver(tmp_path / "job", source) as one:
        (one.landing / "0.json").write_text('{"id":1}\n')
        assert one.wait() == 1
        assert one.termination["reason"] == "ApplicationFailed"
        assert "row broke" in one.termination["message"].splitlines()[0]


def test_a_restart_that_fails_says_so(tmp_path: Path) -> None:
    source = "import pathlib, sys\nmark = pathlib.Path(sys.argv[1] + '.mark')\nassert not mark.exists(), 'not twice'\n"
    with driver(tmp_path / "job", source + STREAM + "\n", master="local[1]") as one:
        one.until("a running query", lambda o: o["state"] == "Running")
        (tmp_path / "job" / "in.mark").touch()
        assert one.allocate(2, 1, memory_mib=1536)[0] == 200
        assert one.wait() == 1
        assert one.termination["reason"] == "RestartFailed"
        assert one.termination["message"].startswith("AssertionError: not twice")


def test_a_file_that_ends_by_itself_ends_the_driver(tmp_path: Path) -> None:
    source = "from pyspark.sql import SparkSession\nSparkSession.builder.getOrCreate().range(3).count()\n"
    with driver(tmp_path / "job", source) as one:
        assert one.wait() == 0
        assert one.processes() == []


def test_a_killed_supervisor_leaves_no_spark(tmp_path: Path) -> None:
    with driver(tmp_path / "job", STREAM) as one:
        one.until("a running query", lambda o: o["state"] == "Running")
        assert one.processes()
        one.process.kill()
        deadline = time.monotonic() + PATIENCE
        while one.processes() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert one.processes() == []
