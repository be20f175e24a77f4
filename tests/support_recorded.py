"""Recorded decisions without a log: of a simulated run, or made up look by look."""

from collections.abc import Sequence
from dataclasses import replace

from sparkiot_policies.allocation import Allocation, Compression, Tier
from sparkiot_policies.decision import Decision, PolicyIdentity, Reason
from sparkiot_policies.evaluation import Context, Evaluation
from sparkiot_policies.history import History
from sparkiot_policies.job import Job
from sparkiot_policies.objectives import Weights
from sparkiot_policies.observation import Observation
from sparkiot_policies.rules import rule
from sparkiot_sim.episode import Run
from sparkiot_sim.generators import Kind
from sparkiot_sim.recorded.course import Course
from sparkiot_sim.setting import Setting, standard_setting

FOUR = Allocation(executors=4, memory_mib=2048, tier=Tier.WARM, compression=Compression.LZ4)
JOB = Job(name="pumps", initial=FOUR)
EQUAL = Weights(1 / 3, 1 / 3, 1 / 3)
Looked = tuple[Job, Evaluation, Decision]


def look(
    time: float,
    *,
    job: Job = JOB,
    rate: float | None = 100.0,
    allocation: Allocation = FOUR,
    signal_fresh: bool | None = None,
    **seen: float | None,
) -> Looked:
    """One decision that leaves the allocation as it is. seen: further elements of the observation."""
    observation = Observation(workload_rate=rate, **seen)
    nothing = Context(rate_mean=None, rate_spread=None, latency_ratio=None, attainment=None, budget_burn=None)
    evaluation = Evaluation(
        now=time,
        observation=observation,
        context=nothing,
        weights=EQUAL,
        history=History(since=0.0, allocation=allocation),
        signal_fresh=signal_fresh,
    )
    identity = PolicyIdentity("Rate")
    decision = Decision(
        time=time,
        job=job.name,
        observation=observation,
        weights=EQUAL,
        previous=allocation,
        proposal=allocation,
        allocation=allocation,
        clamps=(),
        reason=Reason.STEADY,
        policy=identity,
        acted=identity,
    )
    return job, evaluation, decision


def course_of(looks: Sequence[Looked]) -> Course:
    course = Course()
    for job, evaluation, decision in looks:
        course.add(job, evaluation, decision)
    return course


def simulated_looks(hours: float, *, policy: str = "Rate", seed: int = 3, preset: str = "edge-small") -> list[Looked]:
    """Decisions of a simulated job under a rule."""
    setting = _setting(seed, preset)
    run = Run(
        job=setting.job,
        simulated=setting.simulated(),
        policy=rule(policy),
        fallback=rule("Rate"),
        start=setting.start,
    )
    return [(setting.job, cycle.evaluation, cycle.decision) for cycle in run.cycles(hours * 3600)]


def _setting(seed: int, preset: str) -> Setting:
    setting = standard_setting(Kind.INDUSTRIAL, seed=seed, preset=preset)
    return replace(setting, job=replace(setting.job, name="industrial"))
