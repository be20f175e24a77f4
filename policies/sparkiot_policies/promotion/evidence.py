"""What a policy in shadow would have come to, beside the rule that acts: sums that one decision after the other fills.

Three accounts are kept of the same time: what the model says of the policy's allocations, what the same model says of
the rule's, and what was really measured under the rule. The first two are compared with each other, so that what is
wrong with the model is wrong on both sides; the last two say how wrong it is.
"""

from dataclasses import dataclass, replace

from sparkiot_policies.measurement import Measurement

WAITING_TRIGGERS = 1.5
"""Triggers' arrivals that wait for a batch at any time, as the backlog of micro-batches is a sawtooth."""


@dataclass(frozen=True, slots=True)
class Account:
    """Batches, those of them within the objective, dollars, and the seconds in which the dollars were billed."""

    batches: float = 0.0
    met: float = 0.0
    dollars: float = 0.0
    seconds: float = 0.0

    @property
    def attainment(self) -> float | None:
        """Share of batches within the objective; None without a batch."""
        return self.met / self.batches if self.batches > 0 else None

    @property
    def cost_per_hour(self) -> float | None:
        """Dollars an hour; None where nothing was billed over any time."""
        return 3600 * self.dollars / self.seconds if self.seconds > 0 else None

    @classmethod
    def of(cls, measurement: Measurement, *, target_ms: float, seconds: float, dollars: float | None) -> "Account":
        """Of the ``seconds`` before a measurement, None for dollars that nobody knows.

        A job that is overwhelmed completes no batch at all. Where none came and more waits than arrives within the
        target, the one that takes it has missed the target already: each trigger that passed counts as such a batch.
        """
        met = [batch.latency_ms <= target_ms for batch in measurement.batches]
        billed = (0.0, 0.0) if dollars is None else (dollars, seconds)
        if not met and seconds > 0 and _overwhelmed(measurement, target_ms):
            return cls(max(seconds / (measurement.trigger_interval_s or seconds), 1.0), 0.0, *billed)
        return cls(len(met), sum(met), *billed)

    def plus(self, other: "Account") -> "Account":
        return Account(
            self.batches + other.batches,
            self.met + other.met,
            self.dollars + other.dollars,
            self.seconds + other.seconds,
        )

    def times(self, share: float) -> "Account":
        return Account(share * self.batches, share * self.met, share * self.dollars, share * self.seconds)


NOTHING = Account()


def _overwhelmed(measurement: Measurement, target_ms: float) -> bool:
    rate, backlog, trigger_s = measurement.rate, measurement.backlog, measurement.trigger_interval_s
    if rate is None or backlog is None or trigger_s is None:
        return False
    return backlog > rate * (target_ms / 1000 + WAITING_TRIGGERS * trigger_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One decision interval of ``seconds``. regret: what the rule's model was rewarded more than the policy's, in bills
    of the mean load. agreed: the policy decided on as many executors as the rule."""

    seconds: float
    candidate: Account
    rule: Account
    measured: Account
    regret: float
    agreed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All scores since ``since`` (epoch seconds of job time), the older of them with less weight.

    observed_s: seconds that were scored; decisions, agreed: counts; regret: sum. Once twice as much was gathered as a
    verdict needs, all sums are halved: means stay, and what is new counts more than what is long ago.
    """

    since: float
    observed_s: float = 0.0
    decisions: float = 0.0
    agreed: float = 0.0
    regret: float = 0.0
    candidate: Account = NOTHING
    rule: Account = NOTHING
    measured: Account = NOTHING

    @property
    def mean_regret(self) -> float | None:
        """Of a decision, in bills of the mean load; below 0 the policy does better than the rule."""
        return self.regret / self.decisions if self.decisions > 0 else None

    @property
    def agreement(self) -> float | None:
        """Share of decisions on as many executors as the rule has."""
        return self.agreed / self.decisions if self.decisions > 0 else None

    @property
    def attainment_error(self) -> float | None:
        """How far the model's attainment under the rule is from the measured one; None where one is missing."""
        said, seen = self.rule.attainment, self.measured.attainment
        return abs(said - seen) if said is not None and seen is not None else None

    @property
    def cost_error(self) -> float | None:
        """How far the model's cost under the rule is from the measured one, as a share of it."""
        said, seen = self.rule.cost_per_hour, self.measured.cost_per_hour
        return abs(said / seen - 1) if said is not None and seen else None

    def after(self, score: Score, *, enough_s: float, enough: int) -> "Evidence":
        """With one more interval. enough_s, enough: seconds and decisions that a verdict needs."""
        gathered = replace(
            self,
            observed_s=self.observed_s + score.seconds,
            decisions=self.decisions + 1,
            agreed=self.agreed + score.agreed,
            regret=self.regret + score.regret,
            candidate=self.candidate.plus(score.candidate),
            rule=self.rule.plus(score.rule),
            measured=self.measured.plus(score.measured),
        )
        if gathered.observed_s < 2 * enough_s or gathered.decisions < 2 * enough:
            return gathered
        return replace(
            gathered,
            observed_s=gathered.observed_s / 2,
            decisions=gathered.decisions / 2,
            agreed=gathered.agreed / 2,
            regret=gathered.regret / 2,
            candidate=gathered.candidate.times(0.5),
            rule=gathered.rule.times(0.5),
            measured=gathered.measured.times(0.5),
        )
