"""Synthetic loads: valid for any arguments, seeded, and recognisable."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparkiot_sim.generators import BURST_S, DAY_S, DEFAULT_START, Kind, generate
from sparkiot_sim.signals import find_bursts

KINDS = pytest.mark.parametrize("kind", list(Kind))


ARGUMENTS = st.fixed_dictionaries(
    {
        "mean_rate": st.floats(0.1, 1e6),
        "duration_s": st.floats(60, 3 * DAY_S),
        "step_s": st.floats(5, 600),
        "seed": st.integers(0, 2**32),
        "start": st.floats(0, 2e9),
    }
)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(list(Kind)), ARGUMENTS)
def test_any_load_is_valid(kind: Kind, arguments: dict[str, Any]) -> None:
    w = generate(kind, **arguments)
    assert w.mean_rate == pytest.approx(arguments["mean_rate"])
    assert w.duration_s == pytest.approx(arguments["duration_s"])
    assert (w.rates > 0).all()


@KINDS
def test_a_seed_is_a_load(kind: Kind) -> None:
    first, second, other = (generate(kind, mean_rate=100, duration_s=DAY_S, seed=s) for s in (7, 7, 8))
    assert np.array_equal(first.rates, second.rates)
    assert not np.allclose(first.rates, other.rates)


def hourly(kind: Kind, day: int, seed: int) -> np.ndarray:
    """Median rate of each hour, which events do not move."""
    w = generate(kind, mean_rate=100, duration_s=7 * DAY_S, seed=seed)
    hour = ((w.times - DEFAULT_START) // 3600).astype(int)
    return np.array([np.median(w.rates[hour == 24 * day + h]) for h in range(24)])


@pytest.mark.parametrize("seed", range(3))
def test_a_city_has_two_rush_hours_and_a_quieter_weekend(seed: int) -> None:
    workday, saturday = hourly(Kind.SMART_CITY, 1, seed), hourly(Kind.SMART_CITY, 5, seed)
    assert workday[7:10].max() > 1.3 * workday[12:14].mean() > 1.3 * workday[1:4].mean()
    assert workday[16:20].max() > 1.3 * workday[12:14].mean()
    assert saturday.mean() < 0.8 * workday.mean()


@pytest.mark.parametrize("seed", range(3))
def test_industry_works_in_shifts(seed: int) -> None:
    workday = hourly(Kind.INDUSTRIAL, 1, seed)
    assert workday[8:21].mean() > 1.5 * workday[0:5].mean()
    assert hourly(Kind.INDUSTRIAL, 6, seed).mean() < 0.5 * workday.mean()


@pytest.mark.parametrize("seed", range(3))
def test_a_hospital_is_flat_apart_from_alarms(seed: int) -> None:
    # The median over a week: a cluster of alarms may fill most of one hour.
    usual = np.median([hourly(Kind.HEALTHCARE, day, seed) for day in range(7)], axis=0)
    assert usual.max() < 2 * usual.min()


@KINDS
def test_bursts_last_minutes(kind: Kind) -> None:
    lengths = [
        b.end - b.start
        for seed in range(5)
        for b in find_bursts(generate(kind, mean_rate=100, duration_s=7 * DAY_S, seed=seed))
    ]
    assert len(lengths) > 50
    assert BURST_S[0] <= np.median(lengths) <= BURST_S[1]


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        generate(Kind.SMART_CITY, mean_rate=0, duration_s=1, seed=0)
