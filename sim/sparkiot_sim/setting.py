"""What defines one episode of the realistic arena."""

from dataclasses import dataclass, replace

from sparkiot_policies.allocation import MIB_PER_GIB, Allocation, Compression, Tier
from sparkiot_policies.job import Job
from sparkiot_policies.objectives import Objectives, Weights

from .calibration import Calibration, calibration_with
from .generators import DEFAULT_START, Kind, generate
from .profile import JobProfile, example_profile
from .signals import Edge, edge_model
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
    edge. start: epoch seconds. duration_s: seconds. calibration: that has the preset; None for the shipped one. edge:
    what announces the load instead of a model of that quality.
    """

    job: Job
    profile: JobProfile
    workload: Workload
    preset: str
    quality: str
    seed: int
    start: float
    duration_s: float
    calibration: Calibration | None = None
    edge: Edge | None = None

    @property
    def constants(self) -> Calibration:
        """The cluster's constants."""
        return self.calibration or calibration_with(self.preset)

    @property
    def lead_s(self) -> float:
        """How far ahead the edge looks: one provisioning delay and one decision."""
        return self.constants.preset(self.preset).startup_s.value + self.job.interval_s

    def simulated(self) -> SimulatedJob:
        """The job at the start of the episode."""
        return SimulatedJob(
            profile=self.profile,
            workload=self.workload,
            edge=self.edge or edge_model(self.workload, self.quality, seed=self.seed, lead_s=self.lead_s),
            allocation=self.job.initial,
            start=self.start,
            seed=self.seed,
            preset=self.preset,
            calibration=self.constants,
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


def with_weights(setting: Setting, weights: Weights | None) -> Setting:
    """The same episode under other reward weights."""
    objectives = replace(setting.job.objectives, weights=weights)
    return replace(setting, job=replace(setting.job, objectives=objectives))
