"""The gateway against real brokers: from a message to a signal, over TLS with a password, and after a crash."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from support_brokers import PASSWORD, USER, MqttBroker, kafka_broker, mqtt_broker

from sparkiot_edge.gateway import Gateway
from sparkiot_edge.mqtt import Broker, MqttLink, Received, tls_context
from sparkiot_edge.settings import EdgeSettings
from sparkiot_edge.signal import Signal, parse_signal

PATIENCE_S = 60.0


class Watch:
    """A time that the test moves on and the gateway only reads: its windows fill in no time."""

    def __init__(self) -> None:
        self.now = 1_767_571_200.0

    def __call__(self) -> float:
        return self.now


@contextlib.contextmanager
def linked(broker: Broker, *topics: str) -> Iterator[tuple[MqttLink, list[Received]]]:
    heard: list[Received] = []
    link = MqttLink(broker, client_id="", persistent=False, topics=topics, on_message=heard.append)
    link.start()
    try:
        assert link.wait(PATIENCE_S), link.problem
        yield link, heard
    finally:
        link.stop()


def until(holds: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def settings(broker: str, **more: Any) -> EdgeSettings:
    timing = {"horizon_seconds": 3.0, "interval_seconds": 1.0, "predictor": "Crossover", "source": "g1"}
    return EdgeSettings(broker=broker, groups=["city=city/+/data"], **timing | more)


def send(device: MqttLink, gateway: Gateway, count: int) -> None:
    """Publish and wait until the gateway counted them all."""
    monitor = gateway._monitors["city"]
    before = monitor.messages
    for number in range(count):
        assert device.publish(f"city/{number}/data", b"x" * 200, retain=False)
    until(lambda: monitor.messages >= before + count, "the gateway did not see what devices sent")


def play(device: MqttLink, gateway: Gateway, watch: Watch, rates: list[int]) -> None:
    """A second for each rate, by the test's clock."""
    for rate in rates:
        send(device, gateway, rate)
        watch.now += 1.0
        gateway._tick()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[MqttBroker]:
    with mqtt_broker(tmp_path) as found:
        yield found


def test_a_burst_of_messages_becomes_an_alarm_that_a_latecomer_hears_too(broker: MqttBroker) -> None:
    watch = Watch()
    gateway = Gateway(settings(broker.url), wall=watch, steady=watch)
    gateway.start()
    try:
        assert gateway.link.wait(PATIENCE_S)
        with linked(Broker(url=broker.url)) as (device, _):
            play(device, gateway, watch, [0] * 6 + [5] * 12)
            with linked(Broker(url=broker.url), "iot/metadata/#") as (_, heard):
                until(lambda: heard, "a retained signal did not come")
                assert heard[0].retained
                play(device, gateway, watch, [60] * 5)
                until(lambda: any(signal(h).alarm for h in heard), "no alarm came")
                alarm = next(signal(h) for h in heard if signal(h).alarm)
    finally:
        gateway.close()
    assert heard[-1].topic == "iot/metadata/city"
    assert (alarm.source, alarm.model, alarm.horizon) == ("g1/city", "Crossover", 3.0)
    assert alarm.predicted_rate > 10
    assert gateway.counts.unsent == 0


def signal(received: Received) -> Signal:
    return parse_signal(received.payload)


def test_a_broker_that_was_killed_is_found_again_and_the_gap_is_no_load_of_zero(broker: MqttBroker) -> None:
    watch = Watch()
    gateway = Gateway(settings(broker.url, publish_seconds=1.0), wall=watch, steady=watch)
    gateway.start()
    try:
        assert gateway.link.wait(PATIENCE_S)
        with linked(Broker(url=broker.url)) as (device, _):
            play(device, gateway, watch, [0] * 6 + [5] * 6)
        sent = gateway.counts.sent
        assert sent > 0
        broker.kill()
        until(lambda: gateway.link.problem, "the gateway did not notice")
        for _ in range(20):
            watch.now += 1.0
            gateway._tick()
        assert (gateway.counts.sent, gateway.counts.unsent) == (sent, 0)
        broker.start()
        until(lambda: gateway.link.problem is None, "the gateway did not come back")
        with linked(Broker(url=broker.url)) as (device, _), linked(Broker(url=broker.url), "iot/#") as (_, heard):
            play(device, gateway, watch, [5] * 10)
            until(lambda: heard, "no signal after the restart")
            # Twenty seconds of nothing would make the next five messages a burst.
            assert not any(signal(h).alarm for h in heard)
    finally:
        gateway.close()


def test_tls_with_a_password_from_a_file(tmp_path: Path) -> None:
    authority = trustme.CA()
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    with mqtt_broker(tmp_path, authority=authority, users=True) as broker:
        tls = tls_context(authority=authority.cert_pem.bytes().decode(), certificate=None, key=None)
        watch = Watch()
        options = {"ca_file": tmp_path / "ca.pem", "username": USER, "password_file": tmp_path / "password"}
        gateway = Gateway(settings(broker.url, **options), wall=watch, steady=watch)
        gateway.start()
        try:
            assert gateway.link.wait(PATIENCE_S), gateway.link.problem
            with linked(Broker(url=broker.url, username=USER, password=PASSWORD, tls=tls)) as (device, _):
                send(device, gateway, 3)
        finally:
            gateway.close()
        for wrong in (
            Broker(url=broker.url, username=USER, password="guess", tls=tls),
            Broker(url=broker.url, username=USER, password=PASSWORD),
        ):
            link = MqttLink(wrong, client_id="", persistent=False)
            link.start()
            until(lambda link=link: link.problem != "not connected yet", "nothing was said of wrong credentials")
            assert link.problem
            assert PASSWORD not in link.problem
            link.stop()


def test_signals_go_to_a_kafka_topic(broker: MqttBroker, tmp_path: Path) -> None:
    from confluent_kafka import Consumer, TopicPartition
    from confluent_kafka.admin import AdminClient, NewTopic

    with kafka_broker(tmp_path) as servers:
        admin = AdminClient({"bootstrap.servers": servers})
        admin.create_topics([NewTopic("iot-metadata", 1, 1)])["iot-metadata"].result(PATIENCE_S)
        watch = Watch()
        gateway = Gateway(settings(broker.url, sink="kafka", kafka_servers=servers), wall=watch, steady=watch)
        gateway.start()
        try:
            assert gateway.link.wait(PATIENCE_S)
            with linked(Broker(url=broker.url)) as (device, _):
                play(device, gateway, watch, [0] * 6 + [5] * 6)
        finally:
            gateway.close()
        consumer = Consumer({"bootstrap.servers": servers, "group.id": "t", "auto.offset.reset": "earliest"})
        consumer.assign([TopicPartition("iot-metadata", 0, 0)])
        found: list[Any] = []
        until(lambda: found.append(consumer.poll(0.2)) or any(m and not m.error() for m in found), "nothing in Kafka")
        consumer.close()
    message = next(m for m in found if m and not m.error())
    assert message.key() == b"city"
    assert parse_signal(message.value()).source == "g1/city"


def test_it_runs_and_stops(broker: MqttBroker) -> None:
    gateway = Gateway(settings(broker.url, interval_seconds=0.1))
    thread = threading.Thread(target=gateway.run)
    thread.start()
    assert gateway.link.wait(PATIENCE_S)
    gateway.stop()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
