"""What defines one episode of the realistic arena, and how episodes are drawn at random for training."""

from dataclasses import dataclass, replace

import numpy as np

from sparkiot_policies.allocation import COMPRESSIONS, MIB_PER_GIB, TIERS, Allocation, Compression, Tier
from sparkiot_policies.job import Job, Limits
from sparkiot_policies.objectives import SCENARIO_WEIGHTS, Objectives, Scenario, Weights

from .calibration import calibration_with
from .generators import DEFAULT_START, WEEK_S, Kind, generate
from .profile import PROFILES, JobProfile, at_pace_of, example_profile
from .signals import edge_model
from .simulated import SimulatedJob
from .workload import Workload

INITIAL = Allocation(executors=4, memory_mib=4 * MIB_PER_GIB, tier=Tier.WARM, compression=Compression.LZ4)
"""What a job starts with when its resource says nothing."""
TARGET_FACTOR = 2.0
"""An example job's latency target over its trigger interval: a row may wait for one and be worked off in another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One episode: the same setting is the same episode for every policy.

    preset: of a shipped calibration. quality: of the edge signals, a name in QUALITIES. seed: of the cluster and the
    edge. start: epoch seconds. duration_s: seconds.
    """

    job: Job
    profile: JobProfile
    workload: Workload
    preset: str
    quality: str
    seed: int
    start: float
    duration_s: float

    @property
    def lead_s(self) -> float:
        """How far ahead the edge looks: one provisioning delay and one decision."""
        return calibration_with(self.preset).preset(self.preset).startup_s.value + self.job.interval_s

    def simulated(self) -> SimulatedJob:
        """The job at the start of the episode."""
        return SimulatedJob(
            profile=self.profile,
            workload=self.workload,
            edge=edge_model(self.workload, self.quality, seed=self.seed, lead_s=self.lead_s),
            allocation=self.job.initial,
            start=self.start,
            seed=self.seed,
            preset=self.preset,
            prices=self.job.prices,
        )


def standard_setting(
    kind: Kind,
    *,
    seed: int,
    mean_rate: float = 300.0,
    preset: str = "cloud-coldstart",
    quality: str = "measured",
    objectives: Objectives | None = None,
    initial: Allocation = INITIAL,
    duration_s: float = 86400.0,
) -> Setting:
    """A day of an example job with default bounds: what policies are compared on.

    objectives: None for the default ones, at the latency target that the preset leaves room for.
    """
    profile = example_profile(kind, preset)
    return Setting(
        job=Job(name=f"{kind.value}-{seed}", initial=initial, objectives=objectives or example_objectives(profile)),
        profile=profile,
        workload=generate(kind, mean_rate=mean_rate, duration_s=duration_s, seed=seed),
        preset=preset,
        quality=quality,
        seed=seed,
        start=DEFAULT_START,
        duration_s=duration_s,
    )


def example_objectives(profile: JobProfile) -> Objectives:
    """The default objectives, with the latency target that the job's trigger interval leaves room for."""
    return Objectives(latency_target_ms=1000 * TARGET_FACTOR * profile.trigger_interval_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Randomisation:
    """From what training draws its episodes, so that one policy serves many jobs, loads, clusters and objectives.

    Pairs are bounds; ``demand``, ``latency_factor`` and those that span decades are drawn evenly over the logarithm.
    demand: executors that the mean load keeps busy. latency_factor: latency target over trigger interval.
    """

    presets: tuple[str, ...] = ("edge-small", "cloud-coldstart", "cloud-coldstart", "spot")
    kinds: tuple[Kind, ...] = tuple(Kind)
    qualities: tuple[str, ...] = ("measured", "measured", "perfect", "poor", "none")
    demand: tuple[float, float] = (0.7, 8.0)
    rate_per_executor: tuple[float, float] = (30.0, 3000.0)
    bytes_per_second: tuple[float, float] = (50e3, 4e6)
    """Of one busy executor's input."""
    shuffle_fraction: tuple[float, float] = (0.1, 0.6)
    state_mib_per_executor: tuple[float, float] = (50.0, 1500.0)
    """Of the load that keeps one executor busy."""
    temperature: tuple[float, float] = (0.1, 0.9)
    most_rows_s: float = 100.0
    """Most rows of a batch, in seconds of one executor's work."""
    trigger_intervals_s: tuple[float, ...] = (0.5, 0.5, 0.5, 1.0, 2.0, 5.0)
    """Where the preset's own is longer, that one."""
    latency_factor: tuple[float, float] = (1.8, 4.0)
    intervals_s: tuple[float, ...] = (10.0, 10.0, 10.0, 15.0, 30.0, 60.0)
    max_executors: tuple[int, ...] = (20, 20, 20, 12, 6)
    initial_memory_gib: tuple[int, ...] = (1, 2, 4, 4, 8)
    example_share: float = 0.4
    """Share of episodes that play an example job at the default objectives and interval."""
    duration_s: float = 4500.0

    def draw(self, rng: np.random.Generator) -> Setting:
        """One setting; the same state of the generator gives the same one."""
        kind = self.kinds[rng.integers(len(self.kinds))]
        example = rng.random() < self.example_share
        profile = PROFILES[kind] if example else self._profile(rng)
        target_factor = TARGET_FACTOR if example else _log_uniform(rng, self.latency_factor)
        interval = self.intervals_s[rng.integers(len(self.intervals_s))]
        most = self.max_executors[rng.integers(len(self.max_executors))]
        memory_gib = self.initial_memory_gib[rng.integers(len(self.initial_memory_gib))]
        demand = min(_log_uniform(rng, self.demand), 0.4 * most)
        initial = Allocation(
            executors=int(min(max(round(demand * rng.uniform(0.8, 2.0)), 1), most)),
            memory_mib=memory_gib * MIB_PER_GIB,
            tier=TIERS[rng.integers(3)],
            compression=COMPRESSIONS[rng.integers(3)],
        )
        weights = _weights(rng)
        start = DEFAULT_START + float(rng.integers(int(WEEK_S)))
        seed = int(rng.integers(2**31))
        load_s = 3 * self.duration_s
        workload = generate(
            kind,
            mean_rate=demand * profile.rate_per_executor,
            duration_s=load_s,
            step_s=float(rng.choice((10.0, 30.0))),
            seed=seed,
            start=start,
        )
        preset = self.presets[rng.integers(len(self.presets))]
        profile = at_pace_of(preset, profile)
        target_ms = 1000 * target_factor * profile.trigger_interval_s
        return Setting(
            job=Job(
                name="training",
                initial=initial,
                objectives=Objectives(weights=weights, latency_target_ms=target_ms),
                limits=Limits(max_executors=most),
                interval_s=interval,
                metrics_window_s=max(120.0, 5 * interval),
            ),
            profile=profile,
            workload=workload,
            preset=preset,
            quality=self.qualities[rng.integers(len(self.qualities))],
            seed=seed,
            start=start + rng.uniform(0, load_s),
            duration_s=self.duration_s,
        )

    def _profile(self, rng: np.random.Generator) -> JobProfile:
        rate = _log_uniform(rng, self.rate_per_executor)
        return JobProfile(
            rate_per_executor=rate,
            message_bytes=_log_uniform(rng, self.bytes_per_second) / rate,
            shuffle_fraction=rng.uniform(*self.shuffle_fraction),
            state_mib=_log_uniform(rng, self.state_mib_per_executor) / rate,
            trigger_interval_s=self.trigger_intervals_s[rng.integers(len(self.trigger_intervals_s))],
            temperature=rng.uniform(*self.temperature),
            most_rows=self.most_rows_s * rate,
        )


def with_weights(setting: Setting, weights: Weights | None) -> Setting:
    """The same episode under other reward weights."""
    objectives = replace(setting.job.objectives, weights=weights)
    return replace(setting, job=replace(setting.job, objectives=objectives))


def _weights(rng: np.random.Generator) -> Weights:
    """Balanced for two episodes in five, a named scenario for two, anything for the rest."""
    kind = rng.random()
    if kind < 0.4:
        return SCENARIO_WEIGHTS[Scenario.BALANCED]
    if kind < 0.8:
        named = tuple(SCENARIO_WEIGHTS.values())
        return named[rng.integers(len(named))]
    cost, latency, throughput = rng.dirichlet((1.0, 1.0, 1.0)).tolist()
    return Weights(cost, latency, throughput)


def _log_uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(np.log(bounds[0]), np.log(bounds[1]))))
