"""A payload is a signal or it is refused whole, with a reason that counts."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkiot_edge.signal import MAX_BYTES, Flaw, Signal, SignalError, parse_signal

GOOD: dict[str, Any] = {
    "schema": 1,
    "time": 1_767_571_200.5,
    "horizon": 60,
    "predictedRate": 812.5,
    "probability": 0.75,
    "alarm": True,
    "model": "Temporal",
    "source": "gateway-1/city",
}


def payload(**changes: Any) -> bytes:
    return json.dumps(GOOD | changes).encode()


def flaw(data: bytes) -> Flaw:
    with pytest.raises(SignalError) as raised:
        parse_signal(data)
    return raised.value.flaw


def test_a_signal_survives_the_wire() -> None:
    signal = parse_signal(payload())
    assert (signal.time, signal.horizon, signal.predicted_rate) == (1_767_571_200.5, 60.0, 812.5)
    assert parse_signal(signal.encode()) == signal
    assert len(signal.encode()) < 256
    edge = signal.to_edge_signal(time=5.0)
    assert (edge.time, edge.horizon_s, edge.predicted_rate, edge.probability, edge.alarm) == (
        5.0,
        60,
        812.5,
        0.75,
        True,
    )


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", Flaw.NOT_JSON),
        (b"\xff\xfe{}", Flaw.NOT_JSON),
        (b"[1, 2", Flaw.NOT_JSON),
        (b"null", Flaw.WRONG_SCHEMA),
        (b"[]", Flaw.WRONG_SCHEMA),
        (b"{}", Flaw.WRONG_SCHEMA),
        (payload(schema=2), Flaw.WRONG_SCHEMA),
        (payload(extra=1), Flaw.WRONG_SCHEMA),
        (payload(alarm=1), Flaw.WRONG_SCHEMA),
        (payload(probability="0.5"), Flaw.WRONG_SCHEMA),
        (payload(source=""), Flaw.WRONG_SCHEMA),
        (payload(source="a" * 65), Flaw.WRONG_SCHEMA),
        (payload(predictedRate=-1), Flaw.IMPLAUSIBLE),
        (payload(predictedRate=1e12), Flaw.IMPLAUSIBLE),
        (payload(predictedRate=float("nan")), Flaw.IMPLAUSIBLE),
        (payload(predictedRate=float("inf")), Flaw.IMPLAUSIBLE),
        (payload(probability=1.01), Flaw.IMPLAUSIBLE),
        (payload(horizon=0), Flaw.IMPLAUSIBLE),
        (payload(horizon=1e6), Flaw.IMPLAUSIBLE),
        (payload(time=1e15), Flaw.IMPLAUSIBLE),
        (payload(predictedRate=-1, alarm="yes"), Flaw.WRONG_SCHEMA),
        (b" " * (MAX_BYTES + 1), Flaw.TOO_LARGE),
    ],
)
def test_what_is_no_signal_is_refused_with_its_reason(data: bytes, expected: Flaw) -> None:
    assert flaw(data) is expected


def test_the_message_never_repeats_the_payload() -> None:
    with pytest.raises(SignalError) as raised:
        parse_signal(json.dumps(GOOD | {"hunter2": "hunter2", "alarm": "hunter2"}).encode())
    assert "hunter2" not in str(raised.value)


@given(
    st.binary(max_size=300)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "x"]), inner, max_size=8),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode())
)
def test_nothing_but_a_signal_comes_through(data: bytes) -> None:
    try:
        found = parse_signal(data)
    except SignalError:
        return
    assert isinstance(found, Signal)
    assert 0 <= found.predicted_rate <= 1e9
