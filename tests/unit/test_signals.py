"""Edge signals: their quality is what it says, and they depend on nothing but workload, seed and time."""

import random

import numpy as np
import pytest

from sparkiot_sim.generators import DAY_S, Kind, generate
from sparkiot_sim.signals import QUALITIES, EdgeModel, SignalQuality, edge_model, find_bursts
from sparkiot_sim.workload import Workload

LEAD_S = 60.0


def two_bursts() -> Workload:
    """An hour at 100 messages/s with 400 at 1,200-1,500 s and 2,400-2,700 s."""
    times = np.arange(0.0, 3600.0, 10.0)
    inside = ((times >= 1200) & (times < 1500)) | ((times >= 2400) & (times < 2700))
    return Workload(name="two", times=times, rates=np.where(inside, 400.0, 100.0), end=3600.0)


def test_bursts_are_found_where_they_are() -> None:
    assert [(b.start, b.end) for b in find_bursts(two_bursts())] == [(1200, 1500), (2400, 2700)]


def test_a_level_that_stays_is_no_longer_a_burst() -> None:
    times = np.arange(0.0, 4 * 3600.0, 10.0)
    w = Workload(name="step", times=times, rates=np.where(times < 7200, 100.0, 300.0), end=4 * 3600.0)
    assert [(b.start, b.end) for b in find_bursts(w)] == [(7200, 9000)]


def test_a_perfect_edge_announces_each_burst_one_lead_before() -> None:
    edge = EdgeModel(two_bursts(), SignalQuality(recall=1, false_alarms=0, rate_error=0), seed=1, lead_s=LEAD_S)
    alarms = [t for t in range(0, 7200, 10) if edge.signal_at(t).alarm]
    assert alarms[0] == 1200 - LEAD_S
    assert alarms == [t for t in range(0, 7200, 10) if 1140 <= t % 3600 < 1500 or 2340 <= t % 3600 < 2700]
    assert edge.signal_at(1140).predicted_rate == 400
    assert edge.signal_at(1130).predicted_rate == 100
    assert edge.signal_at(1145).time == 1140


def test_a_missed_burst_looks_like_persistence() -> None:
    edge = EdgeModel(two_bursts(), SignalQuality(recall=0, false_alarms=0, rate_error=0), seed=1, lead_s=LEAD_S)
    signals = [edge.signal_at(t) for t in range(0, 3600, 10)]
    assert not any(s.alarm for s in signals)
    assert signals[119].predicted_rate == 100
    assert signals[120].predicted_rate == 400


def test_order_of_calls_does_not_matter() -> None:
    workload = generate(Kind.HEALTHCARE, mean_rate=100, duration_s=DAY_S, seed=3)
    first, second = (edge_model(workload, "poor", seed=5, lead_s=LEAD_S) for _ in range(2))
    other = edge_model(workload, "poor", seed=6, lead_s=LEAD_S)
    assert first
    assert second
    assert other
    times = [workload.start + t for t in range(0, int(3 * DAY_S), 130)]
    forward = {t: first.signal_at(t) for t in times}
    shuffled = random.Random(0).sample(times, len(times))
    assert all(second.signal_at(t) == forward[t] for t in shuffled)
    assert any(other.signal_at(t) != forward[t] for t in times)


@pytest.mark.parametrize("name", ["measured", "poor"])
def test_recall_false_alarms_and_error_are_what_the_preset_says(name: str) -> None:
    quality = QUALITIES[name]
    assert quality
    workload = two_bursts()
    announced = invented = bursts = 0
    errors = []
    for seed in range(25):
        edge = EdgeModel(workload, quality, seed=seed, lead_s=LEAD_S)
        signals = [edge.signal_at(t) for t in np.arange(0, 20 * 3600, 10)]
        alarms = np.array([s.alarm for s in signals])
        starts = (np.flatnonzero(np.diff(alarms.astype(int)) == 1) + 1) * 10 % 3600
        real = np.isin(starts, (1140, 2340))
        announced, invented, bursts = announced + real.sum(), invented + (~real).sum(), bursts + 40
        quiet = [s.predicted_rate / 100 for s, t in zip(signals, range(0, 720000, 10), strict=False) if t % 3600 < 600]
        errors.append(np.std([q for q in quiet if q < 1.45]))
    assert announced / bursts == pytest.approx(quality.recall, abs=0.05)
    assert invented / (announced + invented) == pytest.approx(quality.false_alarms, abs=0.05)
    assert np.mean(errors) == pytest.approx(quality.rate_error, rel=0.25)


def test_no_edge_is_no_signal() -> None:
    assert edge_model(two_bursts(), "none", seed=1, lead_s=LEAD_S) is None
    with pytest.raises(KeyError):
        edge_model(two_bursts(), "psychic", seed=1, lead_s=LEAD_S)


@pytest.mark.parametrize("bad", [{"recall": 1.1}, {"false_alarms": 1.0}, {"rate_error": -0.1}])
def test_impossible_qualities_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="shares"):
        SignalQuality(**({"recall": 0.5, "false_alarms": 0.5, "rate_error": 0.1} | bad))
