"""A fleet's load and its messages: integrals computed by hand, and readings that the example jobs can read."""

import json
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sparkiot_operator.fleet.load import Burst, FleetLoad
from sparkiot_operator.fleet.readings import Devices
from sparkiot_operator.fleet.sender import ids_from
from sparkiot_operator.fleet.settings import DevicesSettings
from sparkiot_sim.generators import Kind
from sparkiot_sim.workload import Workload

NOW = 1_767_571_200.0


def steps(*rates: float, length: float = 10.0) -> Workload:
    times = NOW + length * np.arange(len(rates))
    return Workload(name="steps", times=times, rates=np.array(rates), end=NOW + length * len(rates))


def test_a_burst_multiplies_the_load_while_it_lasts() -> None:
    load = FleetLoad(steps(10, 20), [Burst(5, 4, 10)])
    assert [load.rate(t) for t in (0, 4.9, 5, 9.9, 10, 14.9, 15, 19.9, 20)] == [10, 10, 40, 40, 80, 80, 20, 20, 10]
    # 5 s at 10, 5 s at 40, 5 s at 80, 5 s at 20, and the first second again
    assert load.messages(0, 21) == pytest.approx(50 + 200 + 400 + 100 + 10)


def test_a_burst_may_be_asked_for_while_the_load_is_sent() -> None:
    load = FleetLoad(steps(10))
    assert load.messages(0, 5) == 50
    load.add(Burst(6, 3, 2))
    assert load.messages(5, 10) == pytest.approx(10 + 2 * 30 + 2 * 10)
    assert [burst.at for burst in load.bursts] == [6]


def test_of_bursts_that_overlap_the_larger_factor_counts() -> None:
    load = FleetLoad(steps(1), [Burst(0, 2, 4), Burst(2, 3, 4)])
    assert load.messages(0, 8) == pytest.approx(2 * 2 + 4 * 3 + 2)


def test_a_trace_that_is_played_faster_keeps_its_rates() -> None:
    load = FleetLoad(steps(10, 20, length=60), speed=60)
    assert [load.rate(0.5), load.rate(1.5)] == [10, 20]
    assert load.messages(0, 2) == pytest.approx(30)


@given(st.lists(st.floats(0, 60), min_size=2, max_size=20))
def test_parts_of_a_run_add_up_to_the_whole(moments: list[float]) -> None:
    load = FleetLoad(steps(3, 0, 7), [Burst(4, 5, 11), Burst(30, 0.5, 2)])
    cuts = sorted(moments)
    parts = sum(load.messages(a, b) for a, b in pairwise(cuts))
    assert parts == pytest.approx(load.messages(cuts[0], cuts[-1]), abs=1e-6)


@pytest.mark.parametrize(
    ("text", "burst"), [("30:4", Burst(30, 4, 30)), ("0.5:2.5:7", Burst(0.5, 2.5, 7)), ("0:1000:1", Burst(0, 1000, 1))]
)
def test_a_burst_is_read(text: str, burst: Burst) -> None:
    assert Burst.parse(text) == burst


@pytest.mark.parametrize("text", ["", "30", "x:4", "-1:4", "1:0", "1:1001", "1:4:0", "1:4:5:6", "1e3:4", "1.2.3:4"])
def test_what_is_no_burst_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"burst|float"):
        Burst.parse(text)


@pytest.mark.parametrize("kind", Kind)
def test_a_reading_is_what_the_example_jobs_read(kind: Kind) -> None:
    devices = Devices(kind, count=50, seed=3)
    readings = [devices.read(i, now=NOW + i / 1000) for i in range(5000)]
    read = [json.loads(reading.payload) for reading in readings]
    assert [row["id"] for row in read] == list(range(5000))
    assert datetime.fromisoformat(read[1500]["time"]).timestamp() == NOW + 1.5
    assert {row["device"] for row in read} == {f"device-{i}" for i in range(50)}
    assert all(0 <= row["value"] <= 100 for row in read)
    assert len({row["value"] for row in read}) > 100
    assert all(row["device"] in reading.topic.split("/") for row, reading in zip(read, readings, strict=True))
    assert max(len(reading.payload) for reading in readings) < 200
    again = Devices(kind, count=50, seed=3)
    assert [again.read(i, now=NOW + i / 1000) for i in range(5000)] == readings


def test_ids_of_a_later_run_are_above_those_of_an_earlier_one() -> None:
    assert ids_from(NOW + 10) >= ids_from(NOW) + 10 * 1_000_000
    assert ids_from(4_000_000_000) < 2**53


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"bursts": ["x"]}, "AT:FACTOR"),
        ({"bursts": ["60:2"]}, "does not come"),
        ({"speed": 2}, "needs a trace"),
        ({"seconds": 0}, "greater than 0"),
        ({"repeat": 1.5}, "less than or equal to 1"),
        ({"password": "hunter2", "password_file": "f"}, "either a password or"),
    ],
)
def test_what_cannot_be_is_said(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as raised:
        DevicesSettings(**given)
    assert "hunter2" not in str(raised.value)


def test_the_load_has_the_mean_that_was_asked_for(tmp_path: Path) -> None:
    generated = DevicesSettings(rate=50, seconds=300, kind=Kind.HEALTHCARE).load(start=NOW)
    assert generated.messages(0, 300) == pytest.approx(50 * 300)
    (tmp_path / "t.csv").write_text("timestamp,value\n0,1\n60,3\n")
    played = DevicesSettings(rate=50, trace=tmp_path / "t.csv", speed=60).load(start=NOW)
    assert played.messages(0, 2) == pytest.approx(100)
    assert played.rate(1.5) == pytest.approx(75)
