"""A device's message as a line of JSON."""

import base64
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkiot_edge.forwarding.message import LineWriter, Message

NOON = 1_767_571_200.25


def row(
    payload: bytes, *, packet: int = 7, topic: str = "city/1/data", time: float = NOON, retained: bool = False
) -> dict[str, Any]:
    line = LineWriter(source="g1").line(Message(topic, payload, packet, time, retained))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    found: dict[str, Any] = orjson.loads(line)
    return found


def test_a_payload_with_names_of_its_own() -> None:
    payload = b'{"id": "m-1", "device": 12,\n "value": 1.5}'
    assert row(payload) == {
        "id": "m-1",
        "device": "12",
        "topic": "city/1/data",
        "time": "2026-01-05T00:00:00.250Z",
        "payload": payload.decode(),
    }


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"21.5",
        b"[1]",
        b"{",
        b'{"id": ""}',
        b'{"id": true}',
        b'{"id": 1.5}',
        b'{"id": {"id": 1}}',
        b'{"id": NaN}',
        b'{"id": "' + b"x" * 129 + b'"}',
        b"[" * 100_000,
    ],
)
def test_a_payload_without_an_id_has_one_that_a_second_delivery_repeats(payload: bytes) -> None:
    first = row(payload)
    assert first["payload"] == payload.decode()
    assert len(first["id"]) == 32
    assert row(payload, time=NOON + 60)["id"] == first["id"]
    assert row(payload, packet=8)["id"] != first["id"]
    assert row(payload, topic="city/2/data")["id"] != first["id"]


def test_equal_messages_of_qos_0_are_two() -> None:
    assert row(b"on", packet=0)["id"] != row(b"on", packet=0, time=NOON + 1)["id"]


def test_what_the_broker_retained_has_one_id_however_often_it_comes() -> None:
    assert row(b"on", packet=1, retained=True)["id"] == row(b"on", packet=2, retained=True)["id"]
    assert row(b"on", packet=1, retained=True)["id"] != row(b"off", packet=1, retained=True)["id"]


def test_bytes_that_are_no_text_are_kept() -> None:
    found = row(b"\xff\x00")
    assert found["payload"] is None
    assert base64.b64decode(found["payloadBase64"]) == b"\xff\x00"


def test_other_fields_may_name_message_and_device() -> None:
    writer = LineWriter(source="g1", id_field="seq", device_field="sensor")
    found = orjson.loads(writer.line(Message("t", b'{"seq": 5, "sensor": "s", "id": "no"}', 1, NOON)))
    assert (found["id"], found["device"]) == ("5", "s")


@given(payload=st.binary(max_size=200), topic=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_any_payload_becomes_one_line_from_which_it_can_be_had_again(payload: bytes, topic: str) -> None:
    found = row(payload, topic=topic)
    assert found["topic"] == topic
    again = found["payload"].encode() if found["payload"] is not None else base64.b64decode(found["payloadBase64"])
    assert again == payload
