"""The Kafka source as plain Python, against a real broker: what a batch holds, and what is said when it fails."""

import datetime
import secrets
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trustme
from confluent_kafka import Producer
from support_brokers import create_topic, kafka_broker

from sparkiot_driver.sources import kafka as module
from sparkiot_driver.sources.kafka import KafkaSourceError, Offsets, Range, Topic
from sparkiot_driver.sources.options import KafkaOptions, SourceOptionError

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with kafka_broker(tmp_path_factory.mktemp("kafka")) as address:
        yield address


@pytest.fixture
def name(servers: str) -> str:
    made = f"iot-{secrets.token_hex(4)}"
    create_topic(servers, made, partitions=3)
    return made


def send(servers: str, topic: str, *messages: tuple[int, str, dict[str, Any]]) -> None:
    # tansu counts messages that came together as one when it is asked where a partition ends; Kafka does not.
    producer = Producer({"bootstrap.servers": servers, "batch.num.messages": 1})
    for partition, value, more in messages:
        producer.produce(topic, value=value, partition=partition, **more)
    assert producer.flush(PATIENCE_S) == 0


def numbered(partition: int, count: int, first: int = 0) -> list[tuple[int, str, dict[str, Any]]]:
    return [(partition, f"{partition}-{number}", {}) for number in range(first, first + count)]


def topic(servers: str, name: str, **more: Any) -> Topic:
    given = {"max_rows": 1000, "properties": None, "since_ms": None, **more}
    return Topic(KafkaOptions(servers=servers, topic=name, **given))


def values(source: Topic, start: Offsets, end: Offsets) -> list[str]:
    """Each range by a client of its own, as tasks read them."""
    found = []
    for each in source.ranges(start, end):
        task = Topic(source._options)
        found += [row[1].decode() for row in task.rows(each)]
        task.close()
    return found


def test_rows_have_what_sparks_connector_gives(servers: str, name: str) -> None:
    more = {"key": b"lamp", "headers": [("trace", b"7"), ("none", None)], "timestamp": 1_767_571_200_250}
    send(servers, name, (1, "bright", more), (1, "plain", {}))
    source = topic(servers, name)
    (wanted,) = source.ranges(source.begin(), source.head())
    assert wanted == Range(1, 0, 2)
    first, second = source.rows(wanted)
    moment = datetime.datetime(2026, 1, 5, 0, 0, 0, 250_000, tzinfo=datetime.UTC)
    assert first == (b"lamp", b"bright", name, 1, 0, moment, 0, [("trace", b"7"), ("none", None)])
    assert (second[0], second[1], second[4], second[7]) == (None, b"plain", 1, None)
    source.close()


def test_batches_are_bounded_and_hold_each_message_once(servers: str, name: str) -> None:
    send(servers, name, *numbered(0, 25), *numbered(1, 3), *numbered(2, 60))
    source, start = topic(servers, name), topic(servers, name).begin()
    seen: list[str] = []
    sizes = []
    for _ in range(6):
        end = source.end(start, 20)
        batch = values(source, start, end)
        assert values(source, start, end) == batch  # as it is read again after a crash
        sizes.append(len(batch))
        seen, start = [*seen, *batch], end
    assert sizes[:5] == [20, 20, 20, 20, 8]
    assert not any(sizes[5:])
    assert sorted(seen) == sorted(value for p, n in ((0, 25), (1, 3), (2, 60)) for _, value, _ in numbered(p, n))
    for partition in range(3):
        own = [int(value[2:]) for value in seen if value.startswith(f"{partition}-")]
        assert all(a < b for a, b in pairwise(own))
    source.close()


def test_a_range_ends_where_it_says_though_more_has_come(servers: str, name: str) -> None:
    send(servers, name, *numbered(0, 10))
    source = topic(servers, name)
    assert [row[4] for row in source.rows(Range(0, 3, 7))] == [3, 4, 5, 6]
    source.close()
    assert list(source.rows(Range(0, 0, 0))) == []
    target = source.head()
    send(servers, name, *numbered(0, 5))
    assert source.end(source.begin(), None, target=target) == target
    source.close()


def test_a_query_may_begin_at_a_time(servers: str, name: str) -> None:
    send(servers, name, (0, "old", {}))
    time.sleep(0.05)
    middle = int(time.time() * 1000)
    send(servers, name, (0, "young", {}), (0, "younger", {}))
    source = topic(servers, name, since_ms=middle)
    start = source.begin()
    assert start[name]["0"] == 1
    assert values(source, start, source.head())[:2] == ["young", "younger"]
    source.close()


def test_a_topic_that_is_not_there_or_was_made_anew_is_said(servers: str, name: str) -> None:
    with pytest.raises(KafkaSourceError, match=r"topic absent at .* cannot be read"):
        topic(servers, "absent").begin()
    source = topic(servers, name)
    with pytest.raises(KafkaSourceError, match=r"partitions 1 of topic .* the topic was made anew"):
        source.end({name: {"0": 0, "1": 7}}, 10)
    with pytest.raises(KafkaSourceError, match=r"partitions 3 of topic .* the topic was made anew"):
        source.end({name: {"3": 1}}, 10)
    with pytest.raises(KafkaSourceError, match="the checkpoint is one of topic other"):
        source.ranges({"other": {"0": 0}}, source.head())
    source.close()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_S", 1.0)


def properties(folder: Path, **given: str) -> str:
    file = folder / "kafka.properties"
    file.write_text("".join(f"{name.replace('_', '.')}={value}\n" for name, value in given.items()))
    return str(file)


@pytest.mark.usefixtures("hasty")
def test_tls_is_read_and_a_wrong_authority_is_said(tmp_path: Path) -> None:
    authority = trustme.CA()
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    with kafka_broker(tmp_path, authority=authority) as address:
        security = {"security_protocol": "SSL", "ssl_ca_location": str(tmp_path / "ca.pem")}
        options = {name.replace("_", "."): value for name, value in security.items()}
        create_topic(address, "iot-data", options=options)
        producer = Producer({"bootstrap.servers": address, **options})
        producer.produce("iot-data", value=b"sealed")
        assert producer.flush(PATIENCE_S) == 0
        source = topic(address, "iot-data", properties=properties(tmp_path, **security))
        assert values(source, source.begin(), source.head()) == ["sealed"]
        source.close()
        wrong = properties(tmp_path, **{**security, "ssl_ca_location": str(tmp_path / "other.pem")})
        with pytest.raises(KafkaSourceError, match="certificate verify failed"):
            topic(address, "iot-data", properties=wrong).begin()
        with pytest.raises(KafkaSourceError, match="cannot be read"):
            topic(address, "iot-data").begin()  # without TLS


@pytest.mark.usefixtures("hasty")
def test_a_password_that_is_refused_is_said_and_not_shown(tmp_path: Path) -> None:
    given = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "SCRAM-SHA-512", "sasl_username": "spark"}
    file = properties(tmp_path, **given, sasl_password="hunter2")
    refused = pytest.raises(KafkaSourceError, match="SASL SCRAM authentication failed")
    with kafka_broker(tmp_path, users=True) as address, refused as told:
        topic(address, "iot-data", properties=file).begin()
    assert "hunter2" not in str(told.value)
    file = properties(tmp_path, **{**given, "sasl_mechanism": "SECRET"}, sasl_password="hunter2")
    with pytest.raises(SourceOptionError, match="does not take") as wrong:
        topic("127.0.0.1:9", "iot-data", properties=file).begin()
    assert "hunter2" not in str(wrong.value)
