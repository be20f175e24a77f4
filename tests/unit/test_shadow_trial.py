"""A policy on trial beside a rule, in virtual time: would-be figures against the truth, promotion and demotion."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from support_jobs import BALANCED, Scripted

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.decision import FallbackCode, PolicyIdentity
from sparkiot_policies.errors import PolicyError
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job, Mode
from sparkiot_policies.policy import Policy
from sparkiot_policies.promotion.standing import Stage
from sparkiot_policies.promotion.verdict import Terms, VerdictCode
from sparkiot_policies.rules.fixed import Fixed
from sparkiot_sim.episode import Episode, Run, run_episode
from sparkiot_sim.generators import Kind
from sparkiot_sim.setting import Setting, standard_setting
from sparkiot_sim.shadow.trial import Trial

MINUTES = 60.0
RULE = Fixed(executors=12)
"""Too many executors, always: what a policy that knows better saves is known beforehand."""
TERMS = Terms(automatic=True, observe_s=20 * MINUTES, decisions=60, cool_down_s=30 * MINUTES, cost_margin=0.05)


@dataclass(frozen=True)
class Thrifty:
    """A policy that always proposes seven executors, as the job has them; ``strange`` says when it knows nothing of
    what it sees."""

    strange: Callable[[float], bool] = lambda now: False

    @property
    def identity(self) -> PolicyIdentity:
        return PolicyIdentity("Thrifty", "sha256:thrifty")

    def needs(self) -> tuple[str, ...]:
        return ()

    def unfamiliar(self, evaluation: Evaluation) -> tuple[str, ...]:
        return ("workload_rate",) if self.strange(evaluation.now) else ()

    def propose(self, job: Job, evaluation: Evaluation) -> Allocation:
        return replace(evaluation.history.allocation, executors=7)


def setting(kind: Kind = Kind.SMART_CITY) -> Setting:
    """A job whose batches come every five seconds, which keeps a test short."""
    found = standard_setting(kind, seed=7, preset="calibrated", mean_rate=200)
    return replace(
        found, job=replace(found.job, mode=Mode.SHADOW, objectives=replace(found.job.objectives, weights=BALANCED))
    )


def trial(where: Setting, policy: Policy, *, acting: Policy = RULE, terms: Terms = TERMS) -> Trial:
    return Trial(
        where.job,
        policy=policy,
        rule=acting,
        meta=None,
        terms=terms,
        preset=where.preset,
        now=where.start,
        allocation=where.job.initial,
    )


def run(where: Setting, policy: Policy, found: Trial, *, acting: Policy = RULE) -> Run:
    return Run(
        job=where.job, simulated=where.simulated(), policy=policy, fallback=acting, start=where.start, trial=found
    )


def test_in_shadow_the_rule_acts_and_nothing_else_changes() -> None:
    """The same decisions as those of a job that the rule leads alone."""
    where, policy = setting(), Thrifty()
    shadowed = run(where, policy, trial(where, policy, terms=replace(TERMS, automatic=False))).cycles(40 * MINUTES)
    alone = Run(
        job=replace(where.job, mode=Mode.ACTIVE),
        simulated=where.simulated(),
        policy=RULE,
        fallback=RULE,
        start=where.start,
    ).cycles(40 * MINUTES)
    assert [c.decision for c in shadowed] == [c.decision for c in alone]


@pytest.mark.parametrize("kind", list(Kind))
def test_what_a_policy_would_have_come_to_is_near_what_it_comes_to(kind: Kind) -> None:
    """The rule has twelve executors, the policy would have seven; then it really has them, under the same load."""
    where, policy = setting(kind), Thrifty()
    found = trial(where, policy, terms=replace(TERMS, automatic=False))
    run(where, policy, found).cycles(60 * MINUTES)
    truth: Episode = run_episode(
        job=replace(where.job, mode=Mode.ACTIVE),
        simulated=where.simulated(),
        policy=policy,
        fallback=RULE,
        duration_s=60 * MINUTES,
        start=where.start,
    )
    evidence = found.evidence
    assert evidence.candidate.cost_per_hour == pytest.approx(truth.summary.cost_dollars, rel=0.05)
    assert evidence.candidate.attainment == pytest.approx(truth.summary.slo_attainment, abs=0.03)
    assert evidence.cost_error is not None
    assert evidence.cost_error < 0.05
    assert evidence.attainment_error is not None
    assert evidence.attainment_error < 0.03
    assert evidence.agreement == 0


def test_a_policy_that_is_the_rule_is_never_better() -> None:
    where = setting()
    found = trial(where, replace(RULE))
    run(where, RULE, found).cycles(40 * MINUTES)
    assert found.evidence.mean_regret == 0
    assert found.evidence.agreement == 1
    assert found.verdict.code is VerdictCode.NOT_BETTER
    assert found.standing.stage is Stage.SHADOW


def test_a_better_policy_is_promoted_demoted_at_its_fallback_and_promoted_again_after_the_cool_down() -> None:
    """Strange for five minutes from the 50th on: demoted in that very cycle, and no sooner back than half an hour
    later, with twenty minutes of evidence from after it."""
    where = setting()
    policy = Thrifty(strange=lambda now: 50 * MINUTES <= now - where.start < 55 * MINUTES)
    found = trial(where, policy)
    played = run(where, policy, found)
    stages = []
    for _ in range(int(110 * MINUTES / where.job.interval_s)):
        cycle = played.cycle()
        stages.append((played.now - where.start, found.standing.stage, cycle.decision))
    first = next(at for at, stage, _ in stages if stage is Stage.ACTIVE)
    assert 20 * MINUTES <= first <= 24 * MINUTES, "the metrics window, then twenty minutes"
    assert all(d.policy == RULE.identity for at, _, d in stages if at <= first), "the rule acts until then"
    assert all(d.acted == policy.identity for at, _, d in stages if first < at < 50 * MINUTES)

    lost = next(at for at, stage, _ in stages if at > first and stage is Stage.SHADOW)
    assert lost == 50 * MINUTES
    (decision,) = [d for at, _, d in stages if at == lost]
    assert decision.fallback is FallbackCode.OUT_OF_DISTRIBUTION
    assert decision.acted == RULE.identity
    assert found.standing.demotion is not None
    assert found.standing.demotion.code is FallbackCode.OUT_OF_DISTRIBUTION

    again = next(at for at, stage, _ in stages if at > lost and stage is Stage.ACTIVE)
    # Its own fallback lasts for ten minutes beyond the fifth, in shadow as well; only then evidence counts.
    assert again >= max(lost + 30 * MINUTES, 55 * MINUTES + 20 * MINUTES)
    assert again <= 95 * MINUTES
    assert (found.standing.promotions, found.standing.demotions) == (2, 1)


def test_a_fallback_in_shadow_takes_the_evidence() -> None:
    where = setting()
    policy = Thrifty(strange=lambda now: now - where.start == 15 * MINUTES)
    found = trial(where, policy)
    run(where, policy, found).cycles(18 * MINUTES)
    assert found.evidence.since > where.start + 15 * MINUTES
    assert found.evidence.decisions == 0, "the fallback still lasts"
    assert found.decision is not None
    assert found.decision.fallback is FallbackCode.OUT_OF_DISTRIBUTION


def test_a_policy_that_fails_in_shadow_costs_the_job_nothing() -> None:
    where, broken = setting(), Scripted(PolicyError("the file is damaged"))
    found = trial(where, broken)
    shadowed = run(where, broken, found).cycles(5 * MINUTES)
    assert {c.decision.fallback for c in shadowed} == {None}
    assert found.decision is not None
    assert found.decision.fallback is FallbackCode.POLICY_FAILED


def test_another_objective_begins_the_evidence_anew_and_the_end_of_automatic_returns_the_job() -> None:
    where, policy = setting(), Thrifty()
    found = trial(where, policy)
    run(where, policy, found).cycles(30 * MINUTES)
    assert found.promoted
    edited = replace(where.job, interval_s=20)
    found.edit(edited, TERMS, now=where.start + 31 * MINUTES)
    assert found.evidence.decisions == 0
    assert found.promoted, "what it earned it keeps"
    found.edit(edited, replace(TERMS, automatic=False), now=where.start + 32 * MINUTES)
    assert not found.promoted
    assert found.standing.demotions == 0


def test_a_gap_in_the_measurements_is_left_out() -> None:
    where, policy = setting(), Thrifty()
    found = trial(where, policy, terms=replace(TERMS, automatic=False))
    played = run(where, policy, found)
    played.cycles(10 * MINUTES)
    before = found.evidence
    simulated, decision = played.simulated, played.cycle().decision
    after_gap = played.now + 20 * MINUTES
    simulated.advance(after_gap)
    found.step(simulated.measure(), signal=None, decision=decision, now=after_gap)
    assert found.evidence.observed_s <= before.observed_s + where.job.interval_s
    simulated.advance(after_gap + 10)
    found.step(simulated.measure(), signal=None, decision=decision, now=after_gap + 10)
    assert found.evidence.observed_s <= before.observed_s + 2 * where.job.interval_s
