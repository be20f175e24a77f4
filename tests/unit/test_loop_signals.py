"""Burst signals in a job's loop: they reach the observation, wake the loop, and stand in status and conditions."""

import base64
from dataclasses import replace
from typing import Any

import pytest
import trustme
from pydantic import ValidationError

from sparkiot_edge.mqtt import BrokerError
from sparkiot_operator.clock import next_tick
from sparkiot_operator.conditions import signal_finding
from sparkiot_operator.events import events_between
from sparkiot_operator.resource.edge import KafkaSource, MqttSource
from sparkiot_operator.resource.status import Condition, ConditionType, SparkIoTJobStatus
from sparkiot_operator.resource.translate import InvalidSpecError, parse_spec
from sparkiot_operator.signals.access import kafka_options, open_broker
from sparkiot_operator.signals.watch import SignalsView
from sparkiot_operator.status import signal_status

VIEW = SignalsView(followed_s=100.0, stale_after_s=30.0)
HEARD = replace(VIEW, time=1_767_571_200.0, age_s=3.0, source="g/city", accepted=7, dropped={"Stale": 2})


@pytest.mark.parametrize(
    ("view", "status", "reason"),
    [
        (None, None, "NoSource"),
        (HEARD, True, "Received"),
        (replace(HEARD, problem="the connection was lost"), True, "Received"),
        (replace(HEARD, age_s=31.0), False, "SignalStale"),
        (replace(HEARD, age_s=31.0, problem="the connection was lost"), False, "SignalSourceUnreachable"),
        (VIEW, False, "SignalStale"),
        (replace(VIEW, followed_s=5.0), None, "Waiting"),
        (replace(VIEW, followed_s=5.0, problem="not connected yet"), None, "Connecting"),
    ],
)
def test_the_condition_says_how_signals_stand(view: SignalsView | None, status: bool | None, reason: str) -> None:
    found = signal_finding(view)
    assert (found.type, found.status, found.reason) == (ConditionType.SIGNAL_FRESH, status, reason)
    assert found.message


def test_the_status_counts_what_was_dropped() -> None:
    found = signal_status(replace(HEARD, skew_s=-12.34))
    assert found.model_dump(mode="json") == {
        "time": "2026-01-05T00:00:00Z",
        "source": "g/city",
        "accepted": 7,
        "dropped": {"Stale": 2},
        "skew": "-12.3s",
    }


def test_a_source_that_goes_and_comes_is_an_event() -> None:
    def status(value: str, reason: str) -> SparkIoTJobStatus:
        condition = Condition(
            type="SignalFresh", status=value, reason=reason, message="m", last_transition_time="2026-01-05T00:00:00Z"
        )
        return SparkIoTJobStatus(conditions=[condition])

    up, down = status("True", "Received"), status("False", "SignalSourceUnreachable")
    unknown = status("Unknown", "Connecting")
    assert [(e.reason, e.warning) for e in events_between(up, down)] == [("SignalSourceUnreachable", True)]
    assert [e.reason for e in events_between(down, up)] == ["SignalFresh"]
    assert events_between(SparkIoTJobStatus(), unknown) == events_between(unknown, up) == []


def source(url: str = "mqtt://broker") -> MqttSource:
    return MqttSource(url=url, topic="t")


def test_a_secret_becomes_credentials_and_is_not_shown() -> None:
    broker = open_broker(source(), {"data": {"username": "dQ==", "password": "aHVudGVyMg=="}})
    assert (broker.host, broker.port, broker.username, broker.password) == ("broker", 1883, "u", "hunter2")
    assert "hunter2" not in repr(broker)
    assert open_broker(source("mqtts://broker"), None).port == 8883


@pytest.mark.parametrize(
    ("url", "data", "message"),
    [
        ("mqtt://u:hunter2@broker", {}, "must not hold credentials"),
        ("mqtt://broker:99999", {}, "port"),
        ("mqtt://", {}, "must be mqtt://host"),
        ("mqtt://broker", {"password": "aHVudGVyMg=="}, "needs a user name"),
        ("mqtt://broker", {"ca.crt": "aHVudGVyMg=="}, "no PEM"),
        ("mqtts://broker", {"tls.crt": "aHVudGVyMg=="}, "belong together"),
        ("mqtts://broker", {"tls.crt": "aHVudGVyMg==", "tls.key": "aHVudGVyMg=="}, "no PEM"),
        ("mqtt://broker", {"username": "/w=="}, "username of the secret is not text"),
        ("mqtt://broker", {"username": "!"}, "username of the secret is not text"),
    ],
)
def test_what_cannot_be_used_is_said_without_the_secret(url: str, data: dict[str, Any], message: str) -> None:
    with pytest.raises(BrokerError, match=message) as raised:
        open_broker(source(url), {"data": data})
    assert "hunter2" not in str(raised.value)


CERTIFIED = {"ca.crt": "aHVudGVyMg=="}
USERS = {"username": "dQ==", "password": "aHVudGVyMg=="}


def kafka(**more: Any) -> KafkaSource:
    return KafkaSource.model_validate({"bootstrap": "a:9092,b:9092", **more})


def test_a_secret_becomes_options_of_kafka() -> None:
    assert kafka_options(kafka(), None) == {
        "bootstrap.servers": "a:9092,b:9092",
        "security.protocol": "PLAINTEXT",
    }
    assert kafka_options(kafka(tls=True, saslMechanism="SCRAM-SHA-512"), {"data": USERS}) == {
        "bootstrap.servers": "a:9092,b:9092",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "u",
        "sasl.password": "hunter2",
    }
    assert kafka_options(kafka(), {"data": USERS})["security.protocol"] == "SASL_PLAINTEXT"
    authority = trustme.CA().cert_pem.bytes()
    secret = {"data": {"ca.crt": base64.b64encode(authority).decode()}}
    assert kafka_options(kafka(tls=True), secret)["ssl.ca.pem"] == authority.decode()


@pytest.mark.parametrize(
    ("source", "data", "message"),
    [
        (kafka(), {"password": "aHVudGVyMg=="}, "belong together"),
        (kafka(), {"username": "aHVudGVyMg=="}, "belong together"),
        (kafka(), CERTIFIED, "need tls: true"),
        (kafka(tls=True), CERTIFIED, "no PEM"),
    ],
)
def test_what_kafka_cannot_use_is_said_without_the_secret(
    source: KafkaSource, data: dict[str, Any], message: str
) -> None:
    with pytest.raises(BrokerError, match=message) as raised:
        kafka_options(source, {"data": data})
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("bootstrap", ["", "a", "a:b", "a:1,", "user:pass@a:1"])
def test_brokers_that_are_none_are_refused(bootstrap: str) -> None:
    with pytest.raises(ValidationError):
        kafka(bootstrap=bootstrap)


def test_a_job_follows_one_source_alone() -> None:
    signal = {"mqtt": {"url": "mqtt://b", "topic": "t"}, "kafka": {"bootstrap": "a:1"}}
    generated = {"workload": {"generator": {"kind": "SmartCity"}}}
    with pytest.raises(InvalidSpecError, match="mqtt or kafka, not both"):
        parse_spec({"simulation": generated, "edge": {"signal": signal}})
    found = parse_spec({"simulation": generated, "edge": {"signal": {"kafka": {"bootstrap": "a:1"}}}}).edge
    assert found is not None
    assert found.signal.kafka is not None
    assert found.signal.kafka.topic == "iot-metadata"


def test_a_cycle_off_the_grid_leaves_the_next_tick_where_it_was_unless_it_is_near() -> None:
    assert next_tick(origin=0.0, interval_s=10.0, now=23.0, last=None).due == 30
    assert next_tick(origin=0.0, interval_s=10.0, now=26.0, last=None).due == 40
