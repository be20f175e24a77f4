"""What the runtime is told and what it tells: allocations, configuration, failures, Prometheus text, installation."""

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support_driver import job

from sparkiot_driver import config, exposition, failure
from sparkiot_driver.allocation import Allocation, InvalidAllocationError
from sparkiot_driver.channel import Channel, Listener
from sparkiot_driver.install import install
from sparkiot_driver.keeper import Keeper, StaleAllocationError
from sparkiot_driver.report import Report
from sparkiot_driver.versions import mismatch

WIRE = {"generation": 3, "executors": 2, "memoryMiB": 2048, "tier": "Warm", "compression": "LZ4"}
FIRST = Allocation.from_wire(WIRE)


def test_an_allocation_comes_and_goes_unchanged() -> None:
    assert FIRST.to_wire() == WIRE
    status = {"generation": 3, "executors": 2, "memory": "2Gi", "tier": "Warm", "compression": "LZ4"}
    assert Allocation.from_status(status) == FIRST


@pytest.mark.parametrize(
    ("field", "value"),
    [("executors", 0), ("executors", True), ("executors", 2.5), ("generation", -1), ("memoryMiB", "2Gi"), ("tier", "")],
)
def test_a_malformed_allocation_names_its_field(field: str, value: object) -> None:
    with pytest.raises(InvalidAllocationError, match=field):
        Allocation.from_wire({**WIRE, field: value})
    with pytest.raises(InvalidAllocationError, match="memory"):
        Allocation.from_status({**WIRE, "memory": "2T"})


def environment(folder: Path, **changes: Any) -> dict[str, str]:
    (folder / "job.json").write_text(json.dumps({**job("3.5.9"), **changes}))
    (folder / "spark.properties").write_text("spark.app.name=city\n")
    (folder / "token").write_text("secret\n")
    return {
        "SPARKIOT_CONFIG": str(folder),
        "SPARKIOT_WORK": str(folder),
        "SPARKIOT_TOKEN_FILE": str(folder / "token"),
        "SPARKIOT_ALLOCATION": json.dumps(WIRE),
        "POD_IP": "10.0.0.7",
        "POD_NAME": "city-driver",
    }


def test_the_pods_configuration_is_read(tmp_path: Path) -> None:
    read = config.load(environment(tmp_path))
    assert read.allocation == FIRST
    assert [read.tokens.accept(given) for given in (b"Bearer secret", b"Bearer secret\n", b"secret")] == [
        True,
        False,
        False,
    ]
    assert read.base == {"spark.app.name": "city"}
    assert read.job.api_path == "/apis/sparkiot.dev/v1alpha1/namespaces/iot/sparkiotjobs/test"
    assert sum(read.memory(FIRST)) == 2048


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"SPARKIOT_CONFIG": "/nowhere"}, "cannot read /nowhere/job.json"),
        ({"SPARKIOT_ALLOCATION": "{}"}, "SPARKIOT_ALLOCATION: generation"),
        ({"SPARKIOT_ALLOCATION": json.dumps({**WIRE, "memoryMiB": 512})}, "512 MiB leaves 128 MiB of heap"),
        ({"POD_IP": ""}, "lacks POD_IP"),
        ({"SPARKIOT_BOUNDARY_SECONDS": "soon"}, "SPARKIOT_BOUNDARY_SECONDS"),
    ],
)
def test_a_configuration_that_cannot_work_says_where(tmp_path: Path, changes: dict[str, str], told: str) -> None:
    with pytest.raises(config.InvalidConfigurationError, match=told):
        config.load({**environment(tmp_path), **changes})


def test_a_jvm_failure_names_its_innermost_cause_first() -> None:
    error = RuntimeError(
        "An error occurred while calling o1.start.\n"
        ": org.apache.spark.SparkException: Job aborted\n\tat a.B.c(B.scala:1)\n"
        "Caused by: java.io.IOException: disk gone\n\tat x\n"
        "Caused by: java.nio.file.NoSuchFileException: /ck\n\t... 9 more"
    )
    assert failure.describe(error).splitlines() == [
        "java.nio.file.NoSuchFileException: /ck",
        "java.io.IOException: disk gone",
        "org.apache.spark.SparkException: Job aborted",
        "RuntimeError: An error occurred while calling o1.start.",
    ]
    assert failure.describe(ValueError("no rows")) == "ValueError: no rows"


def test_the_last_words_of_a_process_are_kept_and_short() -> None:
    assert failure.of_output(["a", "", "b"], "it ended") == "it ended\na\nb"
    tail = ['Exception in thread "main" org.apache.spark.SparkException: External scheduler cannot be instantiated']
    assert failure.of_output(tail, "it ended").startswith("org.apache.spark.SparkException: External")
    said = failure.of_executors("Max number of executor failures (2) reached", None)
    assert said.startswith("Max number of executor failures (2) reached; none of them came to register; ")
    assert "the last one that ran: exit code 52" in failure.of_executors("Max", "exit code 52")
    assert len(failure.shorten("é" * 5000).encode()) <= failure.MAX_BYTES


def test_a_patch_level_may_differ_and_nothing_else() -> None:
    assert mismatch("3.5.9", "3.5.5") is None
    assert mismatch("4.2.1", "4.2") is None
    told = mismatch("3.5.9", "4.0.1")
    assert told is not None
    assert "3.5.9" in told
    assert "4.0.1" in told


def test_generations_only_rise_and_memory_needs_a_restart() -> None:
    keeper = Keeper(FIRST, 0.0)
    keeper.starting()
    assert not keeper.propose(FIRST, 1.0)
    with pytest.raises(StaleAllocationError):
        keeper.propose(FIRST._replace(generation=2), 1.0)
    keeper.settle(staying=2, leaving=0, now=9.0, startup=5.0, restart_cost=None)
    assert keeper.applied == {**WIRE, "time": 9.0, "costSeconds": 5.0}
    assert keeper.propose(FIRST._replace(generation=4, executors=1, tier="Hot"), 10.0)
    assert not keeper.needs_restart
    keeper.settle(staying=1, leaving=1, now=11.0, startup=5.0, restart_cost=None)
    assert not keeper.is_applied
    keeper.settle(staying=1, leaving=0, now=12.0, startup=5.0, restart_cost=None)
    assert keeper.applied is not None
    assert (keeper.applied["tier"], keeper.applied["costSeconds"]) == ("Warm", 2.0)
    assert keeper.propose(FIRST._replace(generation=5, executors=1, memory_mib=4096), 20.0)
    assert keeper.needs_restart
    keeper.settle(staying=1, leaving=0, now=21.0, startup=5.0, restart_cost=None)
    assert keeper.applied["generation"] == 4
    keeper.starting()
    keeper.settle(staying=1, leaving=0, now=22.0, startup=5.0, restart_cost=None)
    assert keeper.applied["generation"] == 4, "the outage lasts"
    keeper.settle(staying=1, leaving=0, now=30.0, startup=5.0, restart_cost=8.5)
    assert keeper.applied["generation"] == 5
    assert (keeper.applied["memoryMiB"], keeper.applied["costSeconds"]) == (4096, 8.5)


def test_a_restarts_cost_ends_with_the_first_batch_after_it() -> None:
    def progress(second: int) -> dict[str, Any]:
        stamp = f"2026-11-22T19:55:{second:02d}.000Z"
        body = {"id": "q", "runId": "r", "timestamp": stamp, "batchId": second, "numInputRows": 5}
        return {"type": "progress", "progress": {**body, "durationMs": {"triggerExecution": 1000}}}

    started = {"type": "started", "id": "q", "runId": "r", "name": None, "triggerSeconds": 1.0, "time": 0.0}
    report = Report(Keeper(FIRST, 0.0), "abc")
    report.start(heap_bytes=2**30, restart=False, now=0.0)
    for message in (started, progress(10), {"type": "queriesStopped", "time": 0.0, "idle": False}, progress(11)):
        report.take(message, 0.0)
    assert report.restart_cost is None
    report.start(heap_bytes=2**30, restart=True, now=0.0)
    assert report.state == "Restarting"
    report.take(started, 0.0)
    assert not report.recovered
    report.take(progress(30), 0.0)
    assert report.restart_cost == 19.0, "from the end of the last batch, heard of after the stop or not"
    assert report.state == "Running"


def test_metrics_are_what_prometheus_reads() -> None:
    report = Report(Keeper(FIRST, 0.0), "abc")
    name = 'a"b\\c\nd'
    report.take({"type": "started", "id": "q", "runId": "r", "name": name, "triggerSeconds": 2.0, "time": 0.0}, 0.0)
    text = exposition.render(report.observation(0, 1.0, own_cpu=0.5, rss_bytes=None))
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["sparkiot_driver_query_active"].samples[0].labels == {"query": name}
    assert families["sparkiot_driver_runtime_cpu_seconds"].samples[0].value == 0.5
    assert "sparkiot_driver_query_backlog_rows" not in families, "what is missing is left out"
    assert all(family.documentation and family.type != "untyped" for family in families.values())


def test_the_channel_carries_messages_both_ways_and_only_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    listener = Listener(path)
    assert path.stat().st_mode & 0o777 == 0o600
    accepted: list[Channel] = []
    thread = threading.Thread(target=lambda: accepted.append(listener.accept() or pytest.fail("closed")))
    thread.start()
    near = Channel.connect(str(path))
    thread.join()
    assert near.send({"type": "a", "text": "é\n"})
    assert accepted[0].send({"type": "b"})
    assert next(near.messages()) == {"type": "b"}
    near.close()
    assert list(accepted[0].messages()) == [{"type": "a", "text": "é\n"}]


def test_what_is_no_message_ends_the_channel() -> None:
    left, right = socket.socketpair()
    left.sendall(b'{"type":"a"}\nnonsense\n{"type":"b"}\n')
    assert list(Channel(right).messages()) == [{"type": "a"}]
    left.close()


def test_installing_twice_leaves_readable_packages(tmp_path: Path) -> None:
    target = tmp_path / "new"
    install(target)
    place = target / "sparkiot_driver"
    stamp = (place / "runner.py").stat().st_mtime_ns
    assert (place / "examples").is_dir()
    install(target)
    assert (place / "runner.py").stat().st_mtime_ns == stamp, "the same content is left alone"
    (place / "runner.py").write_text("old")
    install(target)
    assert (place / "runner.py").read_text() != "old"
    assert sorted(p.name for p in target.iterdir()) == ["sparkiot_driver", "sparkiot_tiers"]
    assert place.stat().st_mode & 0o555 == 0o555, "another user runs it"
    found = subprocess.run(
        [
            sys.executable,
            "-S",
            "-I",
            "-c",
            f"import sys; sys.path.insert(0, {str(target)!r}); import sparkiot_tiers.config",
        ],
        check=False,
    )
    assert found.returncode == 0, "the tiers import without any installed package"
