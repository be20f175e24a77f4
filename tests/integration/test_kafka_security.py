"""Kafka by TLS, and credentials that it refuses: signals and messages of a gateway, and the operator that reads them.

The broker has TLS from a front that ends it, and SCRAM of its own. It knows no user (support_brokers.py says why), so
that a log-in that succeeds is not tested.
"""

import asyncio
import base64
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme
from confluent_kafka import Consumer, TopicPartition
from support_brokers import create_topic, kafka_broker

from sparkiot_edge.forwarding.segment import Segment
from sparkiot_edge.forwarding.sinks.base import SinkError
from sparkiot_edge.forwarding.sinks.kafka import KafkaTopic
from sparkiot_edge.kafka_options import OptionsError
from sparkiot_edge.signal import Signal, parse_signal
from sparkiot_edge.sinks import KafkaSink
from sparkiot_operator.events import JobRef
from sparkiot_operator.resource.edge import SignalSource
from sparkiot_operator.signals import kafka as reader
from sparkiot_operator.signals.watch import SignalWatch

PATIENCE_S = 60.0
SECRET = "hunter2"
SCRAM = {
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": "SCRAM-SHA-512",
    "sasl.username": "gateway",
    "sasl.password": SECRET,
}


def signal() -> Signal:
    rates = {"horizon": 60.0, "predictedRate": 500.0, "probability": 0.5, "alarm": False}
    return Signal(schema=1, time=time.time(), model="Temporal", source="g1/city", **rates)


def segment(folder: Path) -> Segment:
    found = Segment.named(folder, source="g1", milliseconds=1_767_571_200_000, run="9f3c01aa")
    found.path.write_text('{"id":"m1","device":"lamp","topic":"t","time":"2026-01-05T00:00:00.000Z","payload":"1"}\n')
    return found


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[tuple[str, dict[str, str]]]:
    """A broker that is spoken to by TLS only, and the options that lead there."""
    folder = tmp_path_factory.mktemp("kafka")
    with kafka_broker(folder, authority=authority) as servers:
        options = {"security.protocol": "SSL", "ssl.ca.location": str(folder / "ca.pem")}
        create_topic(servers, "iot-data", options=options)
        create_topic(servers, "iot-metadata", options=options)
        yield servers, options


@pytest.fixture
def stranger(tmp_path: Path, sealed: tuple[str, dict[str, str]]) -> dict[str, str]:
    """Options with an authority that did not sign the broker's certificate."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    return {**sealed[1], "ssl.ca.location": str(tmp_path / "other.pem")}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with kafka_broker(tmp_path_factory.mktemp("guarded"), users=True) as servers:
        yield servers


def until(holds: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def test_messages_go_by_tls(tmp_path: Path, sealed: tuple[str, dict[str, str]]) -> None:
    servers, options = sealed
    sink = KafkaTopic(servers, topic="iot-data", options=options)
    sink.deliver(segment(tmp_path))
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "t", **options})
    consumer.assign([TopicPartition("iot-data", 0, 0)])
    message = consumer.poll(PATIENCE_S)
    assert message is not None
    assert (message.key(), message.value()) == (b"lamp", segment(tmp_path).path.read_bytes().strip())
    consumer.close()
    sink.close()


def test_a_wrong_authority_and_a_wrong_password_keep_messages_and_are_said(
    tmp_path: Path, sealed: tuple[str, dict[str, str]], stranger: dict[str, str], guarded: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr("sparkiot_edge.forwarding.sinks.kafka.TIMEOUT_S", 1.0)
    for servers, options, reason in (
        (sealed[0], stranger, "certificate verify failed"),
        (guarded, SCRAM, "SASL SCRAM authentication failed"),
    ):
        sink, said = KafkaTopic(servers, topic="iot-data", options=options), [""]

        def refused(sink: KafkaTopic = sink, said: list[str] = said, reason: str = reason) -> bool:
            """Whether an attempt had time enough to be told why."""
            with pytest.raises(SinkError) as told:
                sink.deliver(segment(tmp_path))
            said.append(str(told.value))
            return reason in said[-1]

        until(refused, f"{reason} is never said: {said}")
        assert SECRET not in str(said)


def test_signals_that_kafka_does_not_let_in_are_a_warning_once_and_without_the_secret(
    sealed: tuple[str, dict[str, str]], stranger: dict[str, str], guarded: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for servers, options, reason in (
        (sealed[0], stranger, "certificate verify failed"),
        (guarded, SCRAM, "SASL SCRAM authentication failed"),
    ):
        caplog.clear()
        sink = KafkaSink(servers, topic="iot-metadata", options=options)
        assert sink.publish("city", signal())
        until(
            lambda sink=sink, reason=reason: sink._producer.poll(0.1) or reason in caplog.text, f"no word of {reason}"
        )
        for _ in range(5):  # more attempts, of which nothing is said
            sink._producer.poll(0.1)
        said = [record.getMessage() for record in caplog.records]
        assert len(said) <= 3, said  # by kind of error; there were more attempts
        assert SECRET not in caplog.text
    with pytest.raises(OptionsError, match="does not take its properties") as told:
        KafkaSink("k:1", topic="t", options={**SCRAM, "sasl.mechanism": "NONE"})
    assert SECRET not in str(told.value)


class Job:
    """A watch with a secret of its own, as a job has one."""

    def __init__(self, **secret: str) -> None:
        self._secret = secret
        self.watch = SignalWatch(
            JobRef("iot", "city", "uid"), read_secret=self._read, clock=time.time, on_burst=lambda: None
        )

    async def _read(self, _name: str) -> Mapping[str, Any]:
        values = {name.replace("_", "."): value for name, value in self._secret.items()}
        return {"data": {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}}

    async def until(self, holds: Callable[[Any], Any]) -> Any:
        end = time.monotonic() + PATIENCE_S
        while not holds(view := self.watch.view()):
            assert time.monotonic() < end, view
            await asyncio.sleep(0.02)
        return view


def source(servers: str, **more: Any) -> SignalSource:
    credentials = {"credentialsFrom": {"secretRef": {"name": "edge"}}}
    return SignalSource.model_validate({"kafka": {"bootstrap": servers, **credentials, **more}})


async def test_signals_come_to_the_operator_by_tls(sealed: tuple[str, dict[str, str]], authority: trustme.CA) -> None:
    servers, options = sealed
    sink = KafkaSink(servers, topic="iot-metadata", options=options)
    job = Job(ca_crt=authority.cert_pem.bytes().decode())
    try:
        await job.watch.follow(source(servers, tls=True))
        await job.until(lambda view: view.problem is None)
        sent = signal()
        assert parse_signal(sent.encode()) == sent
        assert sink.publish("city", sent)
        view = await job.until(lambda view: view.accepted)
        assert view.time == sent.time
    finally:
        await job.watch.stop()
        sink.close()


async def test_what_kafka_refuses_of_the_operator_is_said_without_the_secret(
    sealed: tuple[str, dict[str, str]], guarded: str, monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reader, "ANSWER_S", 0.5)
    caplog.set_level(logging.INFO)
    stranger = trustme.CA().cert_pem.bytes().decode()
    jobs = {
        "certificate verify failed": (Job(ca_crt=stranger), source(sealed[0], tls=True)),
        "SASL SCRAM authentication failed": (
            Job(username="operator", password=SECRET),
            source(guarded, saslMechanism="SCRAM-SHA-512"),
        ),
    }
    for reason, (job, where) in jobs.items():
        try:
            await job.watch.follow(where)
            await job.until(lambda view, reason=reason: reason in (view.problem or ""))
        finally:
            await job.watch.stop()
    assert SECRET not in caplog.text
