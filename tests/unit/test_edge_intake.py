"""From what came to what is acknowledged, and the settings and the health of it."""

import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from sparkiot_edge.forwarding.delivery import Delivery
from sparkiot_edge.forwarding.forwarder import open_sink, spill_folder
from sparkiot_edge.forwarding.intake import BATCH_BYTES, RETRY_S, Drop, Intake
from sparkiot_edge.forwarding.message import LineWriter
from sparkiot_edge.forwarding.segment import Segment
from sparkiot_edge.forwarding.sinks.base import SinkError
from sparkiot_edge.forwarding.sinks.s3 import parse_s3_url
from sparkiot_edge.forwarding.spool import MEBIBYTE, Spool
from sparkiot_edge.health import HealthError, HealthServer
from sparkiot_edge.kafka_options import OptionsError, read_properties
from sparkiot_edge.mqtt import Received
from sparkiot_edge.settings import EdgeSettings


class Bench:
    """An intake on a spool of 1 MiB, with clocks that the test sets."""

    def __init__(self, folder: Path, *, max_line: int = 2 * BATCH_BYTES) -> None:
        self.now = 1_767_571_200.0
        self.acknowledged: list[int] = []
        self.renewed = 0
        self.spool = Spool(folder, source="g", max_bytes=MEBIBYTE, roll_s=1.0)
        self.intake = Intake(
            self.spool,
            writer=LineWriter(source="g"),
            max_line=max_line,
            acknowledge=self.acknowledged.append,
            renew=self.renew,
            wall=lambda: self.now,
            steady=lambda: self.now,
        )

    def renew(self) -> None:
        self.renewed += 1

    def take(self, payload: bytes, *, packet: int, topic: str = "t") -> None:
        self.intake.take(Received(topic, payload, packet, retained=False, again=False))


def test_nothing_is_acknowledged_before_the_batch_is_on_disk_and_then_all_of_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.take(b"1", packet=1)
    bench.take(b"2", packet=2)
    assert (bench.acknowledged, bench.intake.in_flight, bench.spool.messages) == ([], 2, 0)
    bench.intake.settle()
    assert (bench.acknowledged, bench.intake.in_flight, bench.spool.messages) == ([1, 2], 0, 2)
    assert bench.intake.kept == 2


def test_a_batch_of_large_messages_is_written_before_it_takes_much_memory(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.take(b"x" * (BATCH_BYTES - 200), packet=1)
    assert bench.acknowledged == []
    bench.take(b"x" * 200, packet=2)
    assert bench.acknowledged == [1, 2]


def test_what_cannot_be_forwarded_is_counted_and_acknowledged(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_line=1000)
    bench.take(b"x" * 1001, packet=1)
    bench.take(b"\0" * 200, packet=2)
    bench.take(b"x", packet=3, topic="")
    bench.intake.settle()
    assert bench.acknowledged == [1, 2, 3]
    assert bench.intake.dropped == {Drop.TOO_LARGE: 2, Drop.BAD_TOPIC: 1}
    assert bench.spool.messages == 0


def test_without_room_nothing_is_acknowledged_and_when_there_is_some_it_is_asked_for_anew(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for packet in range(1, 6):
        bench.take(b"x" * (BATCH_BYTES - 100), packet=packet)
        bench.intake.settle()
    assert bench.acknowledged == [1, 2, 3]
    assert "is the sink away" in (bench.intake.problem or "")
    bench.take(b"once", packet=0)
    assert (bench.intake.refused, bench.intake.dropped) == (2, {Drop.NO_ROOM: 1})
    # What is on disk goes to the sink although nothing is taken.
    bench.now += RETRY_S
    bench.intake.settle()
    segment = bench.spool.take(0)
    assert segment
    assert bench.renewed == 1
    bench.take(b"x" * (BATCH_BYTES - 100), packet=7)
    bench.take(b"y" * (BATCH_BYTES - 100), packet=8)
    bench.intake.settle()
    assert bench.intake.problem
    bench.spool.done(segment)
    bench.now += RETRY_S
    bench.intake.settle()
    assert (bench.intake.problem, bench.renewed) == (None, 2)
    bench.take(b"again", packet=4)
    bench.intake.settle()
    assert bench.acknowledged[-1] == 4


class Moody:
    """A sink that fails until it is told otherwise."""

    ROLL_S = 1.0

    def __init__(self) -> None:
        self.well = False
        self.lines: list[bytes] = []
        self.closed = False

    def deliver(self, segment: Segment) -> None:
        if not self.well:
            raise SinkError("not now")
        self.lines += segment.lines()

    def close(self) -> None:
        self.closed = True


def test_a_sink_that_fails_is_offered_the_same_again_in_order(tmp_path: Path) -> None:
    spool, sink = Spool(tmp_path, source="g", max_bytes=MEBIBYTE, roll_s=1.0), Moody()
    for number in range(3):
        spool.append([b"%d\n" % number], now=1000.0 + 10 * number)
    delivery = Delivery(spool, sink, steady=time.monotonic, retry_s=(0.01, 0.02))
    delivery.start()
    end = time.monotonic() + 30
    while delivery.failures < 3:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert (delivery.problem, delivery.delivered) == ("not now", 0)
    sink.well = True
    spool.close()
    while delivery.delivered < 3:
        assert time.monotonic() < end
        time.sleep(0.01)
    delivery.stop(30)
    assert (delivery.problem, delivery.alive, sink.closed) == (None, False, True)
    assert sink.lines == [b"0\n", b"1\n", b"2\n"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"forward": "folder"}, "forward folder needs landing folder"),
        ({"forward": "s3", "s3_url": "s3://b"}, "needs a spill folder"),
        ({"forward": "s3", "s3_url": "http://b/p", "spill_folder": "s"}, "must be s3://BUCKET"),
        ({"forward": "kafka", "spill_folder": "s"}, "needs kafka servers"),
        ({"message_kibibytes": 1000}, "less than or equal to 900"),
    ],
)
def test_settings_that_do_not_fit_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EdgeSettings(groups=["g=t"], **values)


def test_what_waits_lies_beside_what_landed_unless_it_is_stated(tmp_path: Path) -> None:
    options = {"groups": ["g=t"], "forward": "folder", "landing_folder": tmp_path, "source": "g1"}
    assert spill_folder(EdgeSettings(**options)) == tmp_path / ".spill-g1"
    assert spill_folder(EdgeSettings(**options, spill_folder=tmp_path / "x")) == tmp_path / "x"


@pytest.mark.parametrize(
    ("url", "found"), [("s3://b", ("b", "")), ("s3://b/", ("b", "")), ("s3://b/a/c/", ("b", "a/c/"))]
)
def test_s3_urls(url: str, found: tuple[str, str]) -> None:
    assert parse_s3_url(url) == found


def test_kafka_properties_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "kafka.properties"
    file.write_text("# TLS\nsecurity.protocol = SSL\n\nssl.key.password=a=b\n")
    assert read_properties(file) == {"security.protocol": "SSL", "ssl.key.password": "a=b"}
    file.write_text("security.protocol\n")
    with pytest.raises(OptionsError, match=r"properties:1: expected NAME=VALUE"):
        read_properties(file)
    with pytest.raises(OptionsError, match="No such file"):
        read_properties(tmp_path / "none")


def test_kafka_properties_that_librdkafka_does_not_know_are_a_sinks_problem(tmp_path: Path) -> None:
    file = tmp_path / "kafka.properties"
    file.write_text("no.such.property=1\n")
    options = {"forward": "kafka", "kafka_servers": "h:1", "spill_folder": tmp_path, "kafka_options_file": file}
    segment = Segment.named(tmp_path, source="g", milliseconds=1_767_571_200_000, run="9f3c01aa")
    segment.path.write_bytes(b'{"id":"1","device":null,"topic":"t"}\n')
    with pytest.raises(SinkError, match=r"no\.such\.property"):
        open_sink(EdgeSettings(groups=["g=t"], **options)).deliver(segment)


def test_a_health_port_that_is_taken_says_so() -> None:
    def server(port: int) -> HealthServer:
        return HealthServer("127.0.0.1", port, registry=CollectorRegistry(), alive=lambda: True, problem=lambda: None)

    first = server(0)
    with pytest.raises(HealthError, match="cannot be listened on: Address already in use"):
        server(first.port)
    first.stop()
