"""Two models of one job under the load that was observed: one gets the rule's allocations, the other the policy's.

Both are the same model with the same seed, so that they differ by their allocations alone. The one under the rule is
also what the model can be held against: the same was really done.
"""

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.job import Job
from sparkiot_policies.measurement import Measurement
from sparkiot_policies.objectives import Weights
from sparkiot_policies.promotion.evidence import Account, Score
from sparkiot_sim.reward import reference_per_hour, reward
from sparkiot_sim.simulated import SimulatedJob

from .fitted import FittedModel
from .observed import ObservedLoad

SECONDS_PER_HOUR = 3600.0
PRESET = "observed"


class Twins:
    """The two models, begun where the job stands: at its time, with its backlog."""

    def __init__(
        self, model: FittedModel, measurement: Measurement, *, job: Job, rule: Allocation, candidate: Allocation
    ) -> None:
        self._load = ObservedLoad(measurement.time, rate=measurement.rate or 0.0)
        self._profile = model.profile
        self._rule = self._begin(model, measurement, job, rule)
        self._candidate = self._begin(model, measurement, job, candidate)

    @property
    def time(self) -> float:
        """Epoch seconds up to which both were played."""
        return self._load.end

    def retune(self, model: FittedModel) -> None:
        """Take over what is known better of the job by now."""
        self._profile = model.profile
        for twin in (self._rule, self._candidate):
            twin.cluster.retune(model.profile, model.calibration, model.preset)

    def advance(self, measurement: Measurement, *, job: Job, weights: Weights, agreed: bool) -> Score | None:
        """Play up to the newest measurement, under the load that it tells, and compare; None where it tells none or is
        no newer. agreed: whether the decisions that were played were on as many executors."""
        seconds = measurement.time - self.time
        if seconds <= 0 or measurement.rate is None:
            return None
        self._load.extend(measurement.time, measurement.rate)
        reference = reference_per_hour(job, self._profile, self._load.mean_rate)
        target_ms = job.objectives.latency_target_ms

        def played(twin: SimulatedJob) -> tuple[Account, float]:
            before = twin.cost_dollars
            twin.advance(measurement.time)
            seen, dollars = twin.measure(), twin.cost_dollars - before
            value = reward(
                weights=weights,
                measurement=seen,
                dollars=dollars,
                interval_s=seconds,
                reference=reference,
                target_ms=target_ms,
            )
            return Account.of(seen, target_ms=target_ms, seconds=seconds, dollars=dollars), value

        rule, ruled = played(self._rule)
        candidate, would = played(self._candidate)
        billed = measurement.cost_per_hour
        measured = Account.of(
            measurement,
            target_ms=target_ms,
            seconds=seconds,
            dollars=None if billed is None else billed * seconds / SECONDS_PER_HOUR,
        )
        return Score(
            seconds=seconds, candidate=candidate, rule=rule, measured=measured, regret=ruled - would, agreed=agreed
        )

    def apply(self, *, rule: Allocation, candidate: Allocation) -> None:
        """What was decided for either, from now on."""
        self._rule.apply(rule)
        self._candidate.apply(candidate)

    def _begin(self, model: FittedModel, measurement: Measurement, job: Job, allocation: Allocation) -> SimulatedJob:
        return SimulatedJob(
            profile=model.profile,
            workload=self._load,
            edge=None,
            allocation=allocation,
            start=measurement.time,
            seed=0,
            preset=PRESET,
            calibration=model.calibration.model_copy(update={"presets": {PRESET: model.preset}}),
            prices=job.prices,
            backlog=measurement.backlog or 0.0,
        )
