"""Synthetic loads of the three kinds of IoT system that the project is about.

Each is a profile of the clock (day, week, shift), a slowly wandering level, and events of minutes: incidents, alarms,
uploads, stops. Constants are engineering estimates of plausible magnitudes, not fits to any data set; a seed varies
them so that no policy can learn one of them by heart. Clock times are UTC.
"""

import enum
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from .workload import Array, Workload

MINUTE_S, HOUR_S, DAY_S, WEEK_S = 60.0, 3600.0, 86400.0, 604800.0
MONDAY_S = 4 * DAY_S
"""Epoch seconds of a Monday, 00:00 UTC (5 January 1970)."""
DEFAULT_START = 1_767_571_200.0
"""Monday 5 January 2026, 00:00 UTC."""

FLOOR = 0.02
"""Share of the mean below which no load falls: devices send heartbeats."""
WANDER_SPREAD = 0.08
"""Standard deviation of the slow relative drift of the level."""
WANDER_S = 20 * MINUTE_S
"""Correlation time of that drift."""
JITTER_SPREAD = 0.03
"""Standard deviation of the relative noise of a single step."""
BURST_S = (2 * MINUTE_S, 20 * MINUTE_S)
"""Shortest and longest event."""
RISE_S = (10.0, 60.0)
"""How long an event takes to reach its height; it decays three times as slowly."""

# Smart city: commuters, weekends, incidents
MORNING_PEAK_H, EVENING_PEAK_H = 8.0, 17.5
PEAK_WIDTH_H = (1.2, 1.8)
PEAK_HEIGHT = (1.2, 1.8)
"""Over the night's level, in shares of the mean."""
NIGHT_LEVEL = 0.35
MIDDAY_LEVEL = 0.55
WEEKEND_FACTOR = 0.6
INCIDENTS_PER_DAY = 6.0
INCIDENT_HEIGHT = (1.0, 3.0)
"""Extra load of an incident, in multiples of the level at its time."""

# Healthcare: a flat floor with ward rounds and clustered alarms
WARD_LEVEL = 1.0
NIGHT_SHIFT_FACTOR = 0.85
ROUND_HEIGHT = 0.25
ROUND_WIDTH_H = 0.75
ROUNDS_H = (7.0, 15.0, 23.0)
ALARM_CLUSTERS_PER_DAY = 4.0
ALARMS_PER_CLUSTER = 3.0
ALARM_SPACING_S = 12 * MINUTE_S
ALARM_HEIGHT = (1.0, 2.5)

# Industry: shifts, ramps, uploads, stops
SHIFT_STARTS_H = (6.0, 14.0, 22.0)
SHIFT_LEVELS = (1.2, 1.1, 0.55)
RAMP_S = 10 * MINUTE_S
"""From standstill to full load when machines start up."""
WEEKEND_LEVEL = 0.3
UPLOAD_PERIOD_S = (2 * HOUR_S, 4 * HOUR_S)
UPLOAD_LENGTH_S = (4 * MINUTE_S, 10 * MINUTE_S)
UPLOAD_HEIGHT = (0.8, 2.0)
STOPS_PER_DAY = 1.5
STOP_LENGTH_S = (5 * MINUTE_S, 40 * MINUTE_S)
STOP_LEVEL = 0.1


class Kind(enum.StrEnum):
    """Which system sends."""

    SMART_CITY = "SmartCity"
    HEALTHCARE = "Healthcare"
    INDUSTRIAL = "Industrial"


def generate(
    kind: Kind,
    *,
    mean_rate: float,
    duration_s: float,
    step_s: float = 10.0,
    seed: int,
    start: float = DEFAULT_START,
) -> Workload:
    """A seeded load of a kind.

    mean_rate: messages/s over the whole duration. duration_s, step_s: seconds; the last step may be shorter.
    start: epoch seconds; it sets the time of day and the weekday. The same arguments give the same load.
    Raises ValueError when mean_rate, duration_s or step_s is not positive.
    """
    if not (mean_rate > 0 and duration_s > 0 and step_s > 0):
        raise ValueError(f"mean_rate {mean_rate:g}, duration_s {duration_s:g} and step_s {step_s:g} must be positive")
    rng = np.random.default_rng([seed, list(Kind).index(kind)])
    times = start + np.arange(0.0, duration_s, step_s)
    level = _PROFILES[kind](times, rng)
    level = np.maximum(level * _wander(times.size, step_s, rng), FLOOR * level.mean())
    workload = Workload(name=f"{kind.value}-{seed}", times=times, rates=level, end=start + duration_s)
    return workload.scaled(mean_rate)


def _smart_city(times: Array, rng: np.random.Generator) -> Array:
    hour = times % DAY_S / HOUR_S
    level = NIGHT_LEVEL + MIDDAY_LEVEL * _hump(hour, 13.0, 4.0)
    for centre in (MORNING_PEAK_H, EVENING_PEAK_H):
        level = level + rng.uniform(*PEAK_HEIGHT) * _hump(
            hour, centre + rng.normal(0, 0.25), rng.uniform(*PEAK_WIDTH_H)
        )
    level = np.where(_weekend(times), WEEKEND_FACTOR * level, level)
    return level * (1 + _events(times, rng, per_day=INCIDENTS_PER_DAY, height=INCIDENT_HEIGHT))


def _healthcare(times: Array, rng: np.random.Generator) -> Array:
    hour = times % DAY_S / HOUR_S
    level = np.where((hour >= 22) | (hour < 6), NIGHT_SHIFT_FACTOR, 1.0) * WARD_LEVEL
    for centre in ROUNDS_H:
        level = level + ROUND_HEIGHT * _hump(hour, centre, ROUND_WIDTH_H)
    days = (times[-1] - times[0]) / DAY_S
    clusters = rng.uniform(times[0], times[-1], size=rng.poisson(ALARM_CLUSTERS_PER_DAY * days))
    # One patient's alarm makes others likely: arrivals within a cluster are correlated, clusters are not.
    starts = [
        c + rng.exponential(ALARM_SPACING_S) for c in clusters for _ in range(1 + rng.poisson(ALARMS_PER_CLUSTER))
    ]
    alarms = _pulses(times, np.array(starts), rng, height=ALARM_HEIGHT)
    return level * (1 + alarms)


def _industrial(times: Array, rng: np.random.Generator) -> Array:
    hour = times % DAY_S / HOUR_S
    previous = np.roll(SHIFT_LEVELS, 1)
    shift = (np.searchsorted(SHIFT_STARTS_H, hour, side="right") - 1) % len(SHIFT_STARTS_H)
    since_s = (hour - np.take(SHIFT_STARTS_H, shift)) % 24 * HOUR_S
    ramp = np.clip(since_s / RAMP_S, 0, 1)
    level: Array = np.take(previous, shift) * (1 - ramp) + np.take(SHIFT_LEVELS, shift) * ramp
    level = np.where(_weekend(times), WEEKEND_LEVEL * level, level)
    period, length = rng.uniform(*UPLOAD_PERIOD_S), rng.uniform(*UPLOAD_LENGTH_S)
    uploading = (times + rng.uniform(0, period)) % period < length
    level = level + np.where(uploading, rng.uniform(*UPLOAD_HEIGHT), 0.0)
    days = (times[-1] - times[0]) / DAY_S
    for begin in rng.uniform(times[0], times[-1], size=rng.poisson(STOPS_PER_DAY * days)):
        stopped = rng.uniform(*STOP_LENGTH_S)
        restart = np.clip((times - begin - stopped) / RAMP_S, 0, 1)
        level *= np.where(times >= begin, STOP_LEVEL + (1 - STOP_LEVEL) * restart, 1.0)
    return level


def _hump(hour: Array, centre: float, width: float) -> Array:
    """A bell over the hours of a day, height 1, that wraps at midnight."""
    distance = (hour - centre + 12) % 24 - 12
    bell: Array = np.exp(-0.5 * (distance / width) ** 2)
    return bell


def _weekend(times: Array) -> npt.NDArray[np.bool_]:
    return (times - MONDAY_S) % WEEK_S >= 5 * DAY_S


def _wander(size: int, step_s: float, rng: np.random.Generator) -> Array:
    """Relative level over time: a first-order autoregression around 1, plus noise of single steps."""
    keep = float(np.exp(-step_s / WANDER_S))
    shocks = rng.normal(0, WANDER_SPREAD * np.sqrt(1 - keep * keep), size)
    drift = np.empty(size)
    value = rng.normal(0, WANDER_SPREAD)
    for i, shock in enumerate(shocks):
        value = keep * value + shock
        drift[i] = value
    return np.exp(drift) * np.maximum(1 + rng.normal(0, JITTER_SPREAD, size), 0)


def _events(times: Array, rng: np.random.Generator, *, per_day: float, height: tuple[float, float]) -> Array:
    days = (times[-1] - times[0]) / DAY_S
    starts = rng.uniform(times[0], times[-1], size=rng.poisson(per_day * days))
    return _pulses(times, starts, rng, height=height)


def _pulses(times: Array, starts: Array, rng: np.random.Generator, *, height: tuple[float, float]) -> Array:
    """Events that rise fast, hold and decay; where two overlap, the higher counts."""
    level = np.zeros_like(times)
    for begin in np.sort(starts):
        length, rise, top = rng.uniform(*BURST_S), rng.uniform(*RISE_S), rng.uniform(*height)
        shape = np.minimum((times - begin) / rise, (begin + length - times) / (3 * rise))
        level = np.maximum(level, top * np.clip(shape, 0, 1))
    return level


_PROFILES: Mapping[Kind, Callable[[Array, np.random.Generator], Array]] = {
    Kind.SMART_CITY: _smart_city,
    Kind.HEALTHCARE: _healthcare,
    Kind.INDUSTRIAL: _industrial,
}
