"""Device messages in each sink, from real brokers to real servers, and what becomes of those that are no messages."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import orjson
import pytest
import trustme
from prometheus_client.parser import text_string_to_metric_families
from support_brokers import kafka_broker
from support_forwarding import KIND, Broker, Device, gateway, landed, running, until
from support_operator import free_port
from support_tiers import BUCKET, KEY, SECRET, s3_server

from sparkiot_edge.mqtt import Broker as Address
from sparkiot_edge.mqtt import MqttLink, tls_context

RETRY = "sparkiot_edge.forwarding.forwarder.RETRY_S"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with running(Broker(KIND, tmp_path)) as found:
        yield found


@pytest.fixture
def device(broker: Broker) -> Iterator[Device]:
    found = Device(broker)
    yield found
    found.stop()


def asked(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def metrics(port: int) -> dict[str, float]:
    families = text_string_to_metric_families(asked(port, "/metrics")[1])
    return {
        "/".join([sample.name.removeprefix("sparkiot_edge_"), *sample.labels.values()]): sample.value
        for family in families
        for sample in family.samples
    }


def test_whatever_devices_send_is_forwarded_or_dropped_and_counted(
    broker: Broker, device: Device, tmp_path: Path
) -> None:
    root = tmp_path / "landing"
    forwarded = [b'{"id": "a", "device": "d"}', b"21.5", b"", b"\xff\xfe", b"[" * 5000, b'{"id": NaN}', b"x" * 1000]
    # What is \0 in a payload takes six bytes of JSON: the bound is of what is kept.
    dropped = [b"x" * 9000, b"\0" * 2000]
    options = {"forward": "folder", "landing_folder": root, "message_kibibytes": 8, "health_port": 0}
    with gateway(broker, **options) as found:
        assert found.forwarder
        assert found.health
        for payload in [*forwarded, *dropped]:
            device.send(payload)
        device.send("once", qos=0)
        device.send("elsewhere", topic="city/1/other")
        device.settle()
        until(lambda: found.forwarder.delivery.delivered == len(forwarded) + 1, "not all came")
        seen = metrics(found.health.port)
        assert asked(found.health.port, "/healthz") == (200, "ok\n")
        assert asked(found.health.port, "/readyz") == (200, "ok\n")
        assert asked(found.health.port, "/secret")[0] == 404
        broker.kill()
        until(lambda: asked(found.health.port, "/readyz")[0] == 503, "readiness does not follow the broker")
        assert asked(found.health.port, "/healthz")[0] == 200
    assert [row["payload"] for row in landed(root)] == [
        *(None if b"\xff" in payload else payload.decode() for payload in forwarded),
        "once",
    ]
    assert {
        "messages_received_total/city": 10,
        "messages_kept_total": 8,
        "messages_forwarded_total": 8,
        "messages_dropped_total/TooLarge": 2,
        "messages_dropped_total/NoRoom": 0,
        "messages_refused_total": 0,
        "messages_in_flight": 0,
        "spill_messages": 0,
        "spill_bytes": 0,
        "sink_up": 1,
        "accepting": 1,
        "broker_up": 1,
        "broker_connections_total": 1,
    }.items() <= seen.items()


def test_an_s3_prefix_whose_server_is_killed(
    broker: Broker, device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RETRY, (0.1, 0.2))
    port = free_port()
    environment = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
    for name, value in {**environment, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}.items():
        monkeypatch.setenv(name, value)
    options = {"forward": "s3", "s3_url": f"s3://{BUCKET}/iot", "spill_folder": tmp_path / "spill"}
    with gateway(broker, **options, forward_seconds=0.2) as found:
        assert found.forwarder
        delivery = found.forwarder.delivery
        with s3_server(tmp_path, port=port):
            device.send("1")
            until(lambda: delivery.delivered == 1, "nothing comes")
        device.send("2")
        until(lambda: delivery.problem, "the sink was not missed")
        assert f"s3://{BUCKET} " in str(delivery.problem)
        for number in range(3, 100):
            device.send(f"{number}")
        with s3_server(tmp_path, port=port):
            device.settle()
            until(lambda: delivery.delivered == 99, "not all came")
            client = boto3.client("s3")
            keys = [each["Key"] for each in client.list_objects_v2(Bucket=BUCKET, Prefix="iot/date=")["Contents"]]
            bodies = [client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in sorted(keys)]
    rows = [orjson.loads(line) for body in bodies for line in body.splitlines()]
    assert [row["payload"] for row in rows] == [f"{number}" for number in range(1, 100)]


def test_a_kafka_topic_whose_broker_comes_late_and_is_killed(
    broker: Broker, device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RETRY, (0.1, 0.2))
    monkeypatch.setattr("sparkiot_edge.forwarding.sinks.kafka.TIMEOUT_S", 2.0)
    address = f"127.0.0.1:{free_port()}"
    options = {"forward": "kafka", "kafka_servers": address, "spill_folder": tmp_path / "spill"}
    with gateway(broker, **options) as found:
        assert found.forwarder
        delivery = found.forwarder.delivery
        device.send('{"id": "m0", "device": "lamp"}')
        until(lambda: delivery.problem, "the sink was not missed")
        for lives in (1, 2):  # it makes topics that are written to, and they die with it
            for number in range(50):
                device.send(f"{lives}-{number}")
            device.settle()
            until(lambda lives=lives: found.forwarder.intake.kept == 1 + 50 * lives, "messages do not come")
            with kafka_broker(tmp_path, address):
                until(lambda lives=lives: delivery.delivered == 1 + 50 * lives, "not all came")
                messages = consumed(address, "iot-data", 51 if lives == 1 else 50)
            rows: dict[bytes, list[Any]] = {key: [] for key in (b"lamp", b"city/1/data")}
            for message in messages:
                rows[message.key()].append(orjson.loads(message.value()))
            assert [row["payload"] for row in rows[b"city/1/data"]] == [f"{lives}-{n}" for n in range(50)]
            assert [row["id"] for row in rows[b"lamp"]] == (["m0"] if lives == 1 else [])


def consumed(servers: str, topic: str, count: int) -> list[Any]:
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": servers, "group.id": "t", "auto.offset.reset": "earliest"})
    partitions = consumer.list_topics(topic, 10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
    found: list[Any] = []

    def ended() -> bool:
        message = consumer.poll(0.2)
        if message is not None and not message.error():
            found.append(message)
        return len(found) >= count

    until(ended, "the topic does not hold all")
    consumer.close()
    return found


def test_a_broker_that_asks_for_a_certificate(tmp_path: Path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    pair = authority.issue_cert("gateway")
    (tmp_path / "key.pem").write_bytes(pair.private_key_pem.bytes())
    (tmp_path / "cert.pem").write_bytes(b"".join(each.bytes() for each in pair.cert_chain_pems))
    root = tmp_path / "landing"
    files = {"ca_file": tmp_path / "ca.pem", "cert_file": tmp_path / "cert.pem", "key_file": tmp_path / "key.pem"}
    with running(Broker(KIND, tmp_path, authority=authority)) as broker:
        with gateway(broker, **files, forward="folder", landing_folder=root) as found:
            assert found.forwarder
            for number in range(200):  # more than one TLS record, and what OpenSSL holds back
                assert found.link.publish("city/1/data", b"%d" % number, retain=False)
            until(lambda: found.forwarder.delivery.delivered == 200, "not all came")
        trusted = authority.cert_pem.bytes().decode()
        other = stranger.issue_cert("gateway")
        chain = b"".join(each.bytes() for each in other.cert_chain_pems).decode()
        key = other.private_key_pem.bytes().decode()
        for wrong in (
            tls_context(authority=trusted, certificate=None, key=None),
            tls_context(authority=trusted, certificate=chain, key=key),
        ):
            link = MqttLink(Address(url=broker.url, username="gateway", tls=wrong), client_id="x", persistent=False)
            link.start()
            assert not link.wait(1.5)
            link.stop()
    assert [row["payload"] for row in landed(root)] == [f"{number}" for number in range(200)]
