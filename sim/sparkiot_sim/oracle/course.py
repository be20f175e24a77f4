"""What happens to a job whatever is decided: load, state and temperature, interval by interval, all of it known."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sparkiot_sim.calibration import Calibration
from sparkiot_sim.cluster import random_streams
from sparkiot_sim.setting import Setting
from sparkiot_sim.temperature import TemperatureWalk

Array = npt.NDArray[np.float64]

DRAWS = 20_000
"""Random numbers of the pool among which the shortest startup is sought: more than the requests of any sane day."""
RESTARTS = 100
"""Restarts among which the shortest is sought."""
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The decision intervals of an episode, shape (K,) each; ``head`` is the part before new executors can register.

    time: at which each begins, epoch seconds. rate: the lowest in it, messages/s. arrived: its messages. own: those
    of its messages that, when none is late, are sure to be taken under its allocation and done before the end. other:
    those that may be taken under the next one. rows, head_rows: most rows of one on-time batch that runs within the
    interval or its head; 0 without one. state_mib: least that the query holds. temperature: lowest.
    restart_s: the shortest that the seed draws. lag: whole intervals that the shortest startup takes. head_s: how far
    it reaches into the next one. target_s: of latency. on_grid: a batch on time starts at its trigger.
    """

    time: Array
    rate: Array
    arrived: Array
    own: Array
    other: Array
    rows: Array
    head_rows: Array
    state_mib: Array
    temperature: Array
    restart_s: float
    lag: int
    head_s: float
    peak_rate: float
    interval_s: float
    target_s: float
    on_grid: bool


class Arrivals:
    """Messages since the start of the episode at any times in it, and the steps of the rate."""

    def __init__(self, setting: Setting, *, end: float) -> None:
        load, start = setting.workload, setting.start
        cycles = range(
            math.floor((start - load.start) / load.duration_s), math.ceil((end - load.start) / load.duration_s) + 1
        )
        times = np.concatenate([load.times + c * load.duration_s for c in cycles])
        rates = np.tile(load.rates, len(cycles))
        first = max(int(np.searchsorted(times, start, side="right")) - 1, 0)
        last = int(np.searchsorted(times, end, side="left"))
        self.times = np.concatenate(([start], times[first + 1 : last], [end]))
        self.rates = rates[first:last]
        self._sums = np.concatenate(([0.0], np.cumsum(self.rates * np.diff(self.times))))

    def until(self, time: Array) -> Array:
        """Messages from the start up to ``time``, epoch seconds within the episode."""
        return np.interp(time, self.times, self._sums)

    def lowest(self, edges: Array) -> Array:
        """The lowest rate between each two neighbours of ``edges``, messages/s."""
        first = np.searchsorted(self.times, edges[:-1] + ROUNDING, side="right") - 1
        last = np.searchsorted(self.times, edges[1:] - ROUNDING, side="left") - 1
        bounds = np.stack((first, last + 1), axis=1).ravel()
        return np.minimum.reduceat(np.append(self.rates, np.inf), bounds)[::2]

    def state_rate(self, edges: Array, *, window_s: float) -> Array:
        """The lowest that the rate which state follows takes between each two neighbours of ``edges``."""
        knots = np.union1d(self.times, edges)
        rates = self.rates[np.searchsorted(self.times, knots[:-1], side="right") - 1]
        fades = np.exp(-np.diff(knots) / window_s)
        followed = np.empty(knots.size)
        followed[0] = value = self.rates[0]
        for i, (fade, rate) in enumerate(zip(fades.tolist(), rates.tolist(), strict=True)):
            followed[i + 1] = value = fade * value + (1 - fade) * rate
        at = np.searchsorted(knots, edges)
        # It moves one way between two knots, so that the lowest lies at a knot, the ends included.
        inner = np.minimum.reduceat(followed, at[:-1])
        return np.minimum(inner, followed[at[1:]])


def course(setting: Setting, calibration: Calibration) -> Course:
    """The course of an episode. Raises ValueError when it is shorter than a decision interval."""
    job, profile, preset = setting.job, setting.profile, calibration.preset(setting.preset)
    interval, trigger = job.interval_s, profile.trigger_interval_s
    count = int(setting.duration_s // interval)
    if count < 1:
        raise ValueError(f"an episode of {setting.duration_s:g} s has no decision every {interval:g} s")
    edges = setting.start + interval * np.arange(count + 1, dtype=np.float64)
    arrivals = Arrivals(setting, end=float(edges[-1]))
    target = job.objectives.latency_target_ms / 1000
    startup, restart = _shortest(setting.seed, preset.startup_spread.value, preset.restart_spread.value)
    startup *= preset.startup_s.value
    restart *= preset.restart_s.value
    lag = int(startup // interval)
    head = startup - lag * interval
    on_grid = target <= 2 * trigger * (1 + ROUNDING)
    own, other = _taken(arrivals, edges, trigger=trigger, target=target, on_grid=on_grid)
    return Course(
        time=edges[:-1],
        rate=arrivals.lowest(edges),
        arrived=np.diff(arrivals.until(edges)),
        own=own,
        other=other,
        rows=_most_rows(arrivals, edges, setting, within_s=interval),
        head_rows=_most_rows(arrivals, edges, setting, within_s=head),
        state_mib=profile.state_mib * arrivals.state_rate(edges, window_s=calibration.memory.state_window_s.value),
        temperature=_temperature(setting, calibration, edges),
        restart_s=restart,
        lag=lag,
        head_s=head,
        peak_rate=float(arrivals.rates.max()),
        interval_s=interval,
        target_s=target,
        on_grid=on_grid,
    )


def _taken(arrivals: Arrivals, edges: Array, *, trigger: float, target: float, on_grid: bool) -> tuple[Array, Array]:
    """Messages taken under each interval's own allocation, and under its own or the next one's."""
    start = edges[0]
    counted: Array = np.minimum(edges, max(edges[-1] - target, start))
    if on_grid:
        # A batch at a trigger takes what came since the one before, under the allocation that stands there.
        counted = start + trigger * np.floor((counted - start) / trigger + ROUNDING)
        return np.diff(arrivals.until(counted)), np.zeros(edges.size - 1)
    own_until = np.maximum(np.minimum(edges[1:] - target, counted[1:]), counted[:-1])
    own = arrivals.until(own_until) - arrivals.until(counted[:-1])
    return own, np.diff(arrivals.until(counted)) - own


def _most_rows(arrivals: Arrivals, edges: Array, setting: Setting, *, within_s: float) -> Array:
    """Most rows of a batch that starts at a trigger inside the first ``within_s`` of an interval and must end there."""
    start, trigger = setting.start, setting.profile.trigger_interval_s
    target = setting.job.objectives.latency_target_ms / 1000
    triggers = start + trigger * np.arange(1, int((edges[-1] - start) / trigger + ROUNDING) + 1)
    rows = np.diff(arrivals.until(triggers), prepend=0.0)
    if setting.profile.most_rows is not None:
        rows = np.minimum(rows, setting.profile.most_rows)
    of = np.searchsorted(edges, triggers - ROUNDING, side="left") - 1
    into = triggers - edges[of]
    # The one at the very end of an interval began under its allocation, but runs under the next.
    inside = into + (target - trigger) <= within_s + ROUNDING
    most = np.zeros(edges.size - 1)
    np.maximum.at(most, of[inside], rows[inside])
    return most


def _temperature(setting: Setting, calibration: Calibration, edges: Array) -> Array:
    walk = TemperatureWalk(
        mean=setting.profile.temperature,
        constants=calibration.temperature,
        rng=random_streams(setting.seed).temperature,
        start=setting.start,
    )
    step = calibration.temperature.step_s.value
    steps = setting.start + step * np.arange(int((edges[-1] - edges[0]) / step + ROUNDING) + 1)
    values = np.array([walk.at(t + ROUNDING) for t in steps.tolist()])
    first = np.searchsorted(steps, edges[:-1] + ROUNDING, side="right") - 1
    last = np.searchsorted(steps, edges[1:] - ROUNDING, side="left") - 1
    bounds = np.stack((first, last + 1), axis=1).ravel()
    return np.minimum.reduceat(np.append(values, np.inf), bounds)[::2]


def _shortest(seed: int, startup_spread: float, restart_spread: float) -> tuple[float, float]:
    """The shortest startup and restart that a seed can draw, in multiples of their medians.

    Losses and startups share one stream, so that which number a startup gets depends on what was decided before:
    each position of the stream counts.
    """
    streams = random_streams(seed)
    bits = streams.pool.bit_generator
    least = 0.0
    for _ in range(DRAWS):
        state = bits.state
        least = min(least, streams.pool.standard_normal())
        bits.state = state
        bits.random_raw()
    restarts = streams.restart.standard_normal(RESTARTS)
    return math.exp(startup_spread * least), math.exp(restart_spread * float(restarts.min()))
