"""The data sources in a real Spark 4: a job killed in mid-stream and begun again has each message once.

`make test-spark4` runs it; with Spark 3.5, which CI has, it is skipped.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyspark
import pytest
import trustme
from confluent_kafka import Producer
from pyspark.sql import SparkSession
from support_brokers import create_topic, kafka_broker
from support_shuffle import spark_session
from support_sources import HOUR, Gateway, Job, folder_gateway
from support_tiers import BUCKET, s3_server

from sparkiot_driver import sources
from sparkiot_edge.forwarding.sinks.s3 import S3Prefix

LEAST = (4, 2)
HERE = tuple(int(part) for part in pyspark.__version__.split(".")[:2])
pytestmark = [
    pytest.mark.skipif(HERE < LEAST, reason=f"Python data sources need Spark 4.2, and here is {pyspark.__version__}"),
    pytest.mark.timeout(900),
]
FILES, PER_FILE = 12, 50
SECRET = "hunter2"


def killed_twice(job: Job, come: Callable[[int], None], sent: Callable[[], list[str]], **bound: str) -> None:
    """Kill the job while a batch is planned and not complete, let more come, and begin it again; then once more.

    bound: of a batch, for the runs that are killed.
    """
    come(0)
    for turn in (1, 2):
        begun = job.batches("offsets")
        with job.running(**bound):
            job.until(lambda begun=begun: job.batches("offsets") > max(job.batches("commits"), begun), "no batch")
        come(turn)
    with job.running():
        job.until(lambda: len(job.ids()) >= len(sent()), "not all came")
    assert sorted(job.ids()) == sorted(sent())


def test_a_landing_folder_with_a_gateway_that_was_away(tmp_path: Path) -> None:
    root = tmp_path / "landing"
    here, away = folder_gateway("here", root), folder_gateway("away", root)

    def come(turn: int) -> None:
        for second in range(FILES):
            here.send(PER_FILE, at=HOUR + 86400 * turn + second)
            away.send(PER_FILE, at=HOUR - 86400 + 100 * turn + second)
        here.deliver()
        if turn == 2:
            away.deliver()

    job = Job(tmp_path, {"format": "sparkiot-landing", "path": str(root)})
    killed_twice(job, come, lambda: here.sent + away.sent)


def test_a_prefix_of_s3_whose_key_nobody_reads_in_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server(tmp_path) as server:
        endpoint = server.address.rpartition("/")[0]
        environment = {**server.environment, "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1"}
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        gateway = Gateway("g1", tmp_path / "spill", S3Prefix(f"s3://{BUCKET}/iot"))

        def come(turn: int) -> None:
            for second in range(FILES):
                gateway.send(PER_FILE, at=HOUR + 100 * turn + second)
            gateway.deliver()

        job = Job(tmp_path, {"format": "sparkiot-landing", "path": f"s3://{BUCKET}/iot"})
        killed_twice(job, come, lambda: gateway.sent)
        assert server.environment["AWS_SECRET_ACCESS_KEY"] not in job.log


def test_a_kafka_topic_by_tls_whose_secrets_nobody_reads_in_logs_or_checkpoint(tmp_path: Path) -> None:
    sent: list[str] = []
    authority = trustme.CA()
    with kafka_broker(tmp_path, authority=authority) as servers:
        security = {"security.protocol": "SSL", "ssl.ca.location": str(tmp_path / "ca.pem")}
        create_topic(servers, "iot-data", 3, options=security)
        producer = Producer({"bootstrap.servers": servers, "batch.num.messages": 1, **security})

        def come(turn: int) -> None:
            for number in range(400):
                sent.append(f"{turn}-{number}")
                producer.produce("iot-data", key=f"lamp-{number % 7}", value=f'{{"id": "{sent[-1]}"}}')
            assert producer.flush(60) == 0

        file = tmp_path / "kafka.properties"
        file.write_text("".join(f"{k}={v}\n" for k, v in {**security, "ssl.key.password": SECRET}.items()))
        source = {"format": "sparkiot-kafka", "path": "iot-data", "servers": servers, "propertiesFile": str(file)}
        job = Job(tmp_path, source)
        killed_twice(job, come, lambda: sent, maxRowsPerBatch="100")
    assert SECRET not in job.log
    assert not [path for path in job.checkpoint.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    with spark_session("local[2]") as found:
        sources.register(found)
        sources.register(found)  # idempotent
        yield found


def test_all_that_is_there_as_a_table_and_as_a_stream_that_ends(spark: Any, tmp_path: Path) -> None:
    root = tmp_path / "landing"
    gateway = folder_gateway("g1", root)
    gateway.send(PER_FILE, at=HOUR)
    gateway.deliver()
    with kafka_broker(tmp_path) as servers:
        create_topic(servers, "iot-data", 2)
        producer = Producer({"bootstrap.servers": servers, "batch.num.messages": 1})
        for number in range(PER_FILE):
            producer.produce("iot-data", value=f"{number}", headers={"trace": b"7"}, timestamp=int(HOUR * 1000))
        assert producer.flush(60) == 0
        kafka = {"servers": servers}
        for form, path, options in (("sparkiot-landing", str(root), {}), ("sparkiot-kafka", "iot-data", kafka)):
            table = spark.read.format(form).options(**options).load(path)
            assert table.count() == PER_FILE
            stream = spark.readStream.format(form).options(**options).load(path)
            name = form.replace("-", "_")
            query = stream.writeStream.format("memory").queryName(name).trigger(availableNow=True)
            query.option("checkpointLocation", str(tmp_path / name)).start().awaitTermination(120)
            assert spark.table(name).exceptAll(table).count() == table.exceptAll(spark.table(name)).count() == 0
        row = table.first()
        assert (row.headers[0].key, bytes(row.headers[0].value), row.timestamp.timestamp()) == ("trace", b"7", HOUR)


def test_a_streams_progress_tells_what_is_left_in_kafka(spark: Any, tmp_path: Path) -> None:
    with kafka_broker(tmp_path) as servers:
        create_topic(servers, "iot-data", 2)
        producer = Producer({"bootstrap.servers": servers, "batch.num.messages": 1})
        for number in range(30):
            producer.produce("iot-data", value=f"{number}", partition=number % 2)
        assert producer.flush(60) == 0
        reader = spark.readStream.format("sparkiot-kafka").options(servers=servers, maxRowsPerBatch="10")
        writer = reader.load("iot-data").writeStream.format("memory").queryName("left")
        query = writer.option("checkpointLocation", str(tmp_path / "c")).start()
        try:
            end = time.monotonic() + 120
            while len([p for p in query.recentProgress if p.numInputRows]) < 3:
                assert time.monotonic() < end, query.exception()
                time.sleep(0.1)
        finally:
            query.stop()
        (told,) = query.recentProgress[0].sources
        assert "iot-data" in str(told.latestOffset)
        assert [p.numInputRows for p in query.recentProgress[:3]] == [10, 10, 10]


def test_options_and_columns_of_another_kind_are_refused(spark: Any, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"unknown option sasl\.password") as told:
        spark.read.format("sparkiot-kafka").options(servers="k:1", **{"sasl.password": SECRET}).load("t").collect()
    assert SECRET not in str(told.value).replace("'sasl.password': ", "")
    with pytest.raises(Exception, match="the columns are id, device, topic, time, payload, payloadBase64"):
        spark.read.format("sparkiot-landing").schema("id STRING").load(str(tmp_path)).collect()
