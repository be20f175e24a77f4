"""A job's subscription against real brokers, MQTT and Kafka: what comes, what is dropped, and what wakes the loop."""

import asyncio
import base64
import secrets
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest
from confluent_kafka import Producer
from support_brokers import PASSWORD, USER, MqttBroker, create_topic, kafka_broker, mqtt_broker

from sparkiot_edge.mqtt import Broker, MqttLink
from sparkiot_edge.signal import Signal
from sparkiot_operator.errors import ApiNotFoundError
from sparkiot_operator.events import JobRef
from sparkiot_operator.resource.edge import SignalSource
from sparkiot_operator.signals.watch import SignalsView, SignalWatch

PATIENCE_S = 60.0
TOPIC = "iot/metadata/city"


class Job:
    """A watch, the secret that it reads, and how often it was woken."""

    def __init__(self) -> None:
        self.bursts = 0
        self.password: str | None = None
        ref = JobRef("iot", "city", "uid")
        self.watch = SignalWatch(ref, read_secret=self.secret, clock=time.time, on_burst=self.burst)

    def burst(self) -> None:
        self.bursts += 1

    async def secret(self, name: str) -> Mapping[str, Any]:
        if self.password is None:
            raise ApiNotFoundError(f"secret {name}: not found")
        values = {"username": USER, "password": self.password}
        return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}}

    def view(self) -> SignalsView:
        found = self.watch.view()
        assert found is not None
        return found


@pytest.fixture
async def job() -> AsyncIterator[Job]:
    found = Job()
    yield found
    await found.watch.stop()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MqttBroker]:
    with mqtt_broker(tmp_path_factory.mktemp("broker"), users=True) as found:
        yield found


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with kafka_broker(tmp_path_factory.mktemp("kafka")) as servers:
        yield servers


class Wire(Protocol):
    """A transport: where a job finds its signals, and how a gateway sends them."""

    source: SignalSource

    def send(self, data: bytes, *, keep: bool = False) -> None:
        """keep: also for who comes later."""
        ...


class OverMqtt:
    def __init__(self, broker: MqttBroker) -> None:
        self.source = source(broker)
        self.link = MqttLink(Broker(url=broker.url, username=USER, password=PASSWORD), client_id="", persistent=False)
        self.link.start()
        assert self.link.wait(PATIENCE_S)

    def send(self, data: bytes, *, keep: bool = False) -> None:
        sent = self.link.client.publish(TOPIC, data, qos=1, retain=keep)
        sent.wait_for_publish(PATIENCE_S)
        assert sent.is_published()


class OverKafka:
    """Signals of another group of topics lie between the job's own."""

    def __init__(self, servers: str, topic: str) -> None:
        create_topic(servers, topic, partitions=2)
        spec = {"bootstrap": servers, "topic": topic, "key": "city"}
        self.source = SignalSource.model_validate({"kafka": spec})
        self.topic, self.producer = topic, Producer({"bootstrap.servers": servers, "linger.ms": 0})

    def send(self, data: bytes, *, keep: bool = False) -> None:
        for key in ("ward", "city"):
            self.producer.produce(self.topic, value=data, key=key)
        assert self.producer.flush(PATIENCE_S) == 0


@pytest.fixture(params=["mqtt", "kafka"])
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    if request.param == "mqtt":
        mqtt = OverMqtt(request.getfixturevalue("broker"))
        yield mqtt
        mqtt.link.stop()
    else:
        yield OverKafka(request.getfixturevalue("kafka"), f"iot-metadata-{secrets.token_hex(4)}")


def source(broker: MqttBroker) -> SignalSource:
    mqtt = {"url": broker.url, "topic": TOPIC, "credentialsFrom": {"secretRef": {"name": "edge"}}}
    return SignalSource.model_validate({"mqtt": mqtt})


def payload(at: float, *, alarm: bool = False, rate: float = 500.0) -> bytes:
    return Signal(
        schema=1,
        time=at,
        horizon=60.0,
        predictedRate=rate,
        probability=0.5,
        alarm=alarm,
        model="Temporal",
        source="g/city",
    ).encode()


async def until(holds: Callable[[], Any], what: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, what()
        await asyncio.sleep(0.01)


async def test_signals_arrive_garbage_is_counted_and_a_burst_wakes(job: Job, wire: Wire) -> None:
    job.password = PASSWORD
    await job.watch.follow(wire.source)
    await until(lambda: job.view().problem is None, job.view)
    now = time.time()
    for data in (
        payload(now),
        b"not JSON",
        payload(now + 1e6, alarm=True),
        payload(now - 100),
        payload(now),
        payload(now + 0.1, rate=9e8, alarm=True),
        b"{}" + b" " * 100_000,
        payload(now + 0.2, alarm=True, rate=900.0),
    ):
        wire.send(data)
    await until(lambda: job.view().accepted + sum(job.view().dropped.values()) == 8, job.view)
    await until(lambda: job.bursts, job.view)
    view = job.view()
    assert view.accepted == 2
    expected = {"Future": 1, "Implausible": 1, "NotJson": 1, "TooLarge": 1, "OutOfOrder": 1, "Duplicate": 1}
    assert view.dropped == expected
    assert job.bursts == 1
    heard = job.watch.edge_signal()
    assert heard is not None
    assert (heard.predicted_rate, heard.alarm) == (900.0, True)


async def test_what_was_said_before_is_there_at_once_and_tells_nothing_of_a_clock(job: Job, wire: Wire) -> None:
    last = 0.0
    for age in (14.0, 13.0, 12.0, 11.0):
        last = time.time() - age
        wire.send(payload(last, rate=77.0), keep=True)
    job.password = PASSWORD
    await job.watch.follow(wire.source)
    await until(lambda: job.view().time == last, job.view)
    heard = job.watch.edge_signal()
    assert heard is not None
    assert heard.predicted_rate == 77
    assert job.view().skew_s == 0
    await job.watch.follow(None)
    assert job.watch.edge_signal() is None
    assert job.watch.view() is None
    if isinstance(wire, OverMqtt):
        wire.send(b"", keep=True)


async def test_a_clock_that_is_behind_is_corrected(job: Job, wire: Wire) -> None:
    job.password = PASSWORD
    await job.watch.follow(wire.source)
    await until(lambda: job.view().problem is None, job.view)
    for number in range(5):
        wire.send(payload(time.time() - 20 + number / 1000))
    await until(lambda: job.view().accepted == 5, job.view)
    assert job.view().skew_s == pytest.approx(20, abs=3)
    assert (job.view().age_s or 99.0) < 10


async def test_a_missing_secret_and_a_wrong_password_are_said_and_mended(job: Job, broker: MqttBroker) -> None:
    await job.watch.follow(source(broker))
    assert job.view().problem == "secret edge: not found"
    job.password = "guess"
    await job.watch.follow(source(broker))
    await until(lambda: "refused" in (job.view().problem or ""), job.view)
    assert "guess" not in str(job.view())
    await job.watch.follow(None)
    job.password = PASSWORD
    await job.watch.follow(source(broker))
    await until(lambda: job.view().problem is None, job.view)


async def test_a_broker_that_goes_is_a_problem_until_it_is_back(job: Job, tmp_path: Path) -> None:
    with mqtt_broker(tmp_path) as broker:
        await job.watch.follow(SignalSource.model_validate({"mqtt": {"url": broker.url, "topic": TOPIC}}))
        await until(lambda: job.view().problem is None, job.view)
        broker.kill()
        await until(lambda: job.view().problem, job.view)
        broker.start()
        await until(lambda: job.view().problem is None, job.view)


async def test_kafka_that_goes_is_a_problem_until_it_is_back_with_its_topic(job: Job, tmp_path: Path) -> None:
    with kafka_broker(tmp_path) as servers:
        wire = OverKafka(servers, "iot-metadata")
        await job.watch.follow(wire.source)
        await until(lambda: job.view().problem is None, job.view)
    await until(lambda: servers in (job.view().problem or ""), job.view)
    with kafka_broker(tmp_path, servers):
        await until(lambda: "iot-metadata" in (job.view().problem or ""), job.view)
        wire = OverKafka(servers, "iot-metadata")
        await until(lambda: job.view().problem is None, job.view)
        wire.send(payload(time.time()))
        await until(lambda: job.view().accepted, job.view)


async def test_without_its_client_kafka_is_a_problem_that_says_what_to_install(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    await job.watch.follow(SignalSource.model_validate({"kafka": {"bootstrap": "127.0.0.1:9"}}))
    assert job.view().problem == "signals from Kafka need confluent-kafka: pip install 'sparkiot[kafka]'"
