"""From what training draws its episodes, so that one policy serves many jobs, loads, clusters and objectives."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from sparkiot_policies.allocation import COMPRESSIONS, MIB_PER_GIB, TIERS, Allocation
from sparkiot_policies.job import Job, Limits
from sparkiot_policies.objectives import SCENARIO_WEIGHTS, Objectives, Scenario, Weights

from .calibration import Calibration, Constant, calibration_with
from .generators import DEFAULT_START, WEEK_S, Kind, generate
from .profile import PROFILES, JobProfile, at_pace_of, example_profile
from .series import series
from .setting import INITIAL, TARGET_FACTOR, Setting
from .workload import Workload

Bounds = tuple[float, float]


class Episodes(Protocol):
    """From what an arena draws the next episode."""

    def draw(self, rng: np.random.Generator) -> Setting:
        """One setting; the same state of the generator gives the same one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Randomisation:
    """Pairs are bounds; those that span decades are drawn evenly over the logarithm.

    demand: executors that the mean load keeps busy, at most MOST_DEMAND of the maximum; small_demand: of the share of
    jobs that need one executor at most, with little to decide. latency_factor: latency target
    over trigger interval. fixed_share: fixed cost of a batch over the trigger interval. own_cluster: share of episodes
    on a cluster of their own, whose constants are the preset's times a factor. own_series: share of loads in long
    steps.
    example_share: share of episodes that play an example job at the default objectives; slow_share: of these, those at
    another trigger interval, with the objective in proportion.
    """

    presets: tuple[str, ...] = ("edge-small", "cloud-coldstart", "cloud-coldstart", "spot", "calibrated")
    kinds: tuple[Kind, ...] = tuple(Kind)
    qualities: tuple[str, ...] = ("measured", "measured", "measured", "perfect", "poor", "none")
    demand: Bounds = (0.4, 12.0)
    small_demand: Bounds = (0.05, 0.4)
    small_share: float = 0.15
    rate_per_executor: Bounds = (30.0, 3000.0)
    bytes_per_second: Bounds = (50e3, 4e6)
    """Of one busy executor's input."""
    shuffle_fraction: Bounds = (0.1, 0.6)
    state_mib_per_executor: Bounds = (50.0, 1500.0)
    """Of the load that keeps one executor busy."""
    temperature: Bounds = (0.1, 0.9)
    most_rows_s: float = 100.0
    """Most rows of a batch, in seconds of one executor's work."""
    trigger_intervals_s: tuple[float, ...] = (0.5, 0.5, 0.5, 1.0, 2.0, 5.0, 5.0)
    latency_factor: Bounds = (1.8, 4.0)
    fixed_share: Bounds = (0.04, 0.45)
    startup_s: Bounds = (3.0, 100.0)
    intervals_s: tuple[float, ...] = (10.0, 10.0, 10.0, 15.0, 30.0, 60.0)
    max_executors: tuple[int, ...] = (20, 20, 20, 12, 6)
    initial_memory_gib: tuple[int, ...] = (1, 1, 2, 4, 4, 8)
    own_cluster: float = 0.5
    own_series: float = 0.5
    example_share: float = 0.4
    slow_share: float = 0.3
    duration_s: Bounds = (300.0, 4500.0)
    """Many short episodes meet many jobs, which the choice of memory and tier needs; some are as long as a restart
    matters."""

    def draw(self, rng: np.random.Generator) -> Setting:
        """One setting; the same state of the generator gives the same one."""
        kind = self.kinds[rng.integers(len(self.kinds))]
        example = rng.random() < self.example_share
        preset = self.presets[rng.integers(len(self.presets))]
        calibration = calibration_with(preset)
        profile = PROFILES[kind] if example else self._profile(rng)
        if example and rng.random() < self.slow_share:
            profile = replace(profile, trigger_interval_s=self._trigger(rng))
        profile = at_pace_of(preset, profile)
        if rng.random() < self.own_cluster:
            fixed_s = _log_uniform(rng, self.fixed_share) * profile.trigger_interval_s
            calibration = perturbed(calibration, preset, rng, fixed_s=fixed_s, startup_s=self.startup_s)
        elif not example:
            # A published cluster's fixed cost belongs to its own trigger; in proportion it may be any job's.
            scale = profile.trigger_interval_s / example_profile(kind, preset).trigger_interval_s
            calibration = _with_fixed(calibration, calibration.batch.fixed_s.value * scale)
        most = self.max_executors[rng.integers(len(self.max_executors))]
        bounds = self.small_demand if rng.random() < self.small_share else self.demand
        demand = min(_log_uniform(rng, bounds), MOST_DEMAND * most)
        seed = int(rng.integers(2**31))
        workload = self._workload(kind, demand * profile.rate_per_executor, seed, rng)
        duration_s = _log_uniform(rng, self.duration_s)
        factor = TARGET_FACTOR if example else _log_uniform(rng, self.latency_factor)
        return Setting(
            job=self._job(rng, example=example, most=most, demand=demand, target_s=factor * profile.trigger_interval_s),
            profile=profile,
            workload=workload,
            preset=preset,
            calibration=calibration,
            quality=self.qualities[rng.integers(len(self.qualities))],
            seed=seed,
            start=workload.start + rng.uniform(0, workload.duration_s),
            duration_s=duration_s,
        )

    def _workload(self, kind: Kind, mean_rate: float, seed: int, rng: np.random.Generator) -> Workload:
        start = DEFAULT_START + float(rng.integers(int(WEEK_S)))
        if rng.random() < self.own_series:
            return series(mean_rate=mean_rate, duration_s=LOAD_S, seed=seed, start=start)
        step_s = float(rng.choice((10.0, 10.0, 30.0)))
        return generate(kind, mean_rate=mean_rate, duration_s=LOAD_S, step_s=step_s, seed=seed, start=start)

    def _job(self, rng: np.random.Generator, *, example: bool, most: int, demand: float, target_s: float) -> Job:
        interval = 10.0 if example else self.intervals_s[rng.integers(len(self.intervals_s))]
        memory_gib = self.initial_memory_gib[rng.integers(len(self.initial_memory_gib))]
        initial = Allocation(
            executors=int(min(max(round(demand * rng.uniform(0.8, 3.0)), 1), most)),
            memory_mib=memory_gib * MIB_PER_GIB,
            tier=TIERS[rng.integers(3)],
            compression=COMPRESSIONS[rng.integers(3)],
        )
        if example and rng.random() < 0.5:
            initial = replace(INITIAL, executors=min(INITIAL.executors, most))
        return Job(
            name="training",
            initial=initial,
            objectives=Objectives(weights=draw_weights(rng), latency_target_ms=1000 * target_s),
            limits=Limits(max_executors=most),
            interval_s=interval,
            metrics_window_s=max(120.0, 5 * interval),
        )

    def _trigger(self, rng: np.random.Generator) -> float:
        return self.trigger_intervals_s[rng.integers(len(self.trigger_intervals_s))]

    def _profile(self, rng: np.random.Generator) -> JobProfile:
        rate = _log_uniform(rng, self.rate_per_executor)
        return JobProfile(
            rate_per_executor=rate,
            message_bytes=_log_uniform(rng, self.bytes_per_second) / rate,
            shuffle_fraction=rng.uniform(*self.shuffle_fraction),
            state_mib=_log_uniform(rng, self.state_mib_per_executor) / rate,
            trigger_interval_s=self._trigger(rng),
            temperature=rng.uniform(*self.temperature),
            most_rows=self.most_rows_s * rate,
        )


LOAD_S = 6 * 3600.0
"""Length of a load; an episode is a piece of it."""
MOST_DEMAND = 0.7
"""Of the maximum: above it, most of an episode would be overload, in which there is nothing to decide."""
UNSURE = 0.35
"""Standard deviation of the logarithm of a constant that another cluster may have."""


def perturbed(
    calibration: Calibration, preset: str, rng: np.random.Generator, *, fixed_s: float, startup_s: Bounds
) -> Calibration:
    """Another cluster: every constant that differs between clusters is drawn around the calibration's."""

    def around(constant: Constant, spread: float = UNSURE) -> Constant:
        return _set(constant, constant.value * float(np.exp(spread * rng.standard_normal())))

    startup = _log_uniform(rng, startup_s)
    old = calibration.preset(preset)
    own = old.model_copy(
        update={
            "startup_s": _set(old.startup_s, startup),
            "startup_spread": _set(old.startup_spread, rng.uniform(0.05, 0.35)),
            "restart_s": _set(old.restart_s, startup * rng.uniform(1.2, 2.0) + 10),
        }
    )
    memory, batch = calibration.memory, calibration.batch
    tiers = {
        tier: constants.model_copy(
            update={
                # A store on the same machine answers many times faster than one in the cloud.
                "access_s": around(constants.access_s, 1.0),
                "bandwidth_mb_s": around(constants.bandwidth_mb_s),
            }
        )
        for tier, constants in calibration.tiers.items()
    }
    return calibration.model_copy(
        update={
            "batch": batch.model_copy(
                update={
                    "fixed_s": _set(batch.fixed_s, fixed_s),
                    "scaling_exponent": _set(batch.scaling_exponent, rng.uniform(0.85, 1.0)),
                }
            ),
            "memory": memory.model_copy(
                update={
                    "expansion": around(memory.expansion),
                    "spill_slowdown": around(memory.spill_slowdown),
                    "state_window_s": around(memory.state_window_s),
                }
            ),
            "tiers": tiers,
            "presets": {preset: own},
        }
    )


def _with_fixed(calibration: Calibration, fixed_s: float) -> Calibration:
    batch = calibration.batch.model_copy(update={"fixed_s": _set(calibration.batch.fixed_s, fixed_s)})
    return calibration.model_copy(update={"batch": batch})


def _set(constant: Constant, value: float) -> Constant:
    return constant.model_copy(update={"value": value, "source": "drawn for training", "spread": None, "date": None})


def draw_weights(rng: np.random.Generator) -> Weights:
    """Balanced for a third of the episodes, a named scenario for a third, anything for the rest, corners included: a
    meta-controller may ask for them."""
    kind = rng.random()
    if kind < 0.35:
        return SCENARIO_WEIGHTS[Scenario.BALANCED]
    if kind < 0.7:
        named = tuple(SCENARIO_WEIGHTS.values())
        return named[rng.integers(len(named))]
    cost, latency, throughput = rng.dirichlet((0.4, 0.4, 0.4)).tolist()
    return Weights(cost, latency, throughput)


def _log_uniform(rng: np.random.Generator, bounds: Bounds) -> float:
    return float(np.exp(rng.uniform(np.log(bounds[0]), np.log(bounds[1]))))
