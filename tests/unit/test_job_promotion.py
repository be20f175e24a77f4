"""Who acts for a job, over edits, other versions, pauses and restarts; what its status, conditions and events say."""

from dataclasses import replace
from typing import Any

import pytest
from support_cycles import cycle
from support_jobs import NOW, Scripted, allocation, job, measurement
from support_operator import simulated_job
from support_promotion import HOUR, LEARNED, TERMS, account, canary_view, evidence, promotion_view, shadow_view

from sparkiot_operator.events import JobRef, events_between
from sparkiot_operator.policies_store import UnavailablePolicy
from sparkiot_operator.promotion.board import CanaryBoard
from sparkiot_operator.promotion.findings import promotion_findings
from sparkiot_operator.promotion.job_canary import JobCanary
from sparkiot_operator.promotion.job_promotion import JobPromotion
from sparkiot_operator.promotion.stored import canary_status, promotion_update, stored_canary, stored_trial
from sparkiot_operator.promotion.terms import fingerprint, tried
from sparkiot_operator.promotion.view import PromotionView
from sparkiot_operator.resource.promotion import Canary
from sparkiot_operator.resource.spec import SparkIoTJobSpec
from sparkiot_operator.resource.status import Phase, SparkIoTJobStatus
from sparkiot_operator.resource.translate import parse_spec, to_job
from sparkiot_operator.status import build_status
from sparkiot_policies.controller import Controller
from sparkiot_policies.decide import decide
from sparkiot_policies.decision import Decision, FallbackCode, PolicyIdentity
from sparkiot_policies.errors import PolicyError
from sparkiot_policies.history import History
from sparkiot_policies.job import Mode
from sparkiot_policies.measurement import Batch, Measurement
from sparkiot_policies.policy import Policy
from sparkiot_policies.promotion.canary import CanaryState, bucket
from sparkiot_policies.promotion.standing import Stage, Standing
from sparkiot_policies.promotion.verdict import Verdict, VerdictCode

REF = JobRef("iot", "city", "uid-1")
RULE = Scripted(allocation(9), name="Rule")
GONE = UnavailablePolicy("default", "the file is damaged")
ACTIVE = shadow_view(standing=Standing(since=NOW, stage=Stage.ACTIVE, promotions=1))


def learned(version: str = LEARNED.digest) -> Scripted:
    found = Scripted(allocation(3))
    found.identity = PolicyIdentity("default", version)
    return found


def spec(mode: str = "Shadow", **policy: Any) -> SparkIoTJobSpec:
    stated = {"name": "default", "promotion": {"automatic": True}, **policy}
    return parse_spec(simulated_job("city", spec={"scaling": {"mode": mode}, "policy": stated})["spec"])


class Led:
    """A job's promotion with the controller that it leads."""

    def __init__(self, stated: SparkIoTJobSpec, status: SparkIoTJobStatus | None = None) -> None:
        made = to_job("iot/city", stated)
        self.promotion = JobPromotion(
            stated, made, ref=REF, board=CanaryBoard(), status=status or SparkIoTJobStatus(), live=False, now=NOW
        )
        history = History(since=NOW, allocation=allocation())
        self.controller = Controller(made, policy=RULE, fallback=RULE, history=history)

    def edit(self, stated: SparkIoTJobSpec) -> None:
        self.controller.job = made = to_job("iot/city", stated)
        self.promotion.edit(stated, made, now=NOW)

    def cycle(self, policy: Policy, *, now: float = NOW + 10) -> tuple[Decision, PromotionView]:
        controller = self.controller
        self.promotion.lead(controller, policy=policy, rule=RULE, meta=None, now=now)
        evaluation, decision = controller.step(measurement(now), signal=None, now=now)
        controller.accept(evaluation, decision)
        view = self.promotion.step(measurement(now), signal=None, decision=decision, job=controller.job, now=now)
        return decision, view


def stored(view: PromotionView) -> SparkIoTJobStatus:
    return SparkIoTJobStatus.model_validate(
        SparkIoTJobStatus(**promotion_update(view)).model_dump(mode="json", by_alias=True)
    )


def test_in_shadow_the_rule_acts_and_the_policy_decides_for_itself() -> None:
    decision, view = Led(spec()).cycle(learned())
    assert (decision.policy, decision.acted) == (RULE.identity, RULE.identity)
    assert view.mode is Mode.SHADOW
    assert view.shadow is not None
    assert view.shadow.decision is not None
    assert view.shadow.decision.policy == LEARNED


@pytest.mark.parametrize("mode", ["Active", "Advise"])
def test_in_other_modes_there_is_no_shadow_and_the_policy_leads(mode: str) -> None:
    decision, view = Led(spec(mode)).cycle(learned())
    assert decision.policy == LEARNED
    assert (view.mode.value, view.shadow) == (mode, None)


def test_a_restarted_operator_goes_on_from_the_status() -> None:
    decision, view = Led(spec(), stored(promotion_view(shadow=ACTIVE, canary=None))).cycle(learned())
    assert decision.acted == LEARNED
    assert view.mode is Mode.ACTIVE
    assert view.shadow is not None
    assert view.shadow.standing == ACTIVE.standing
    assert view.shadow.evidence.candidate.attainment == pytest.approx(0.99)


def test_another_version_has_earned_nothing_and_one_that_cannot_be_loaded_is_the_same() -> None:
    led = Led(spec(), stored(promotion_view(shadow=ACTIVE, canary=None)))
    decision, view = led.cycle(GONE)
    assert decision.fallback is FallbackCode.POLICY_FAILED
    assert view.shadow is not None
    assert (view.shadow.version, view.shadow.standing.demotions) == (LEARNED, 1)
    assert view.mode is Mode.SHADOW

    fresh = Led(spec(), stored(promotion_view(shadow=ACTIVE, canary=None)))
    fresh.cycle(learned())
    decision, view = fresh.cycle(learned("sha256:other"), now=NOW + 20)
    assert decision.acted == RULE.identity, "the rule acts at once"
    assert view.shadow is not None
    assert view.shadow.version.digest == "sha256:other"
    assert (view.shadow.standing.promotions, view.shadow.evidence.decisions) == (0, 0)


def test_a_pause_keeps_what_the_shadow_has_and_another_mode_ends_it() -> None:
    led = Led(spec(), stored(promotion_view(canary=None)))
    led.cycle(learned())
    led.edit(spec("Paused"))
    _, paused = led.cycle(learned(), now=NOW + 20)
    assert (paused.mode, paused.shadow is not None) == (Mode.PAUSED, True)
    again = Led(spec("Paused"), stored(paused))
    _, kept = again.cycle(learned(), now=NOW + 30)
    assert kept.shadow is not None
    assert kept.shadow.evidence.decisions == 360
    again.edit(spec("Active"))
    assert again.cycle(learned(), now=NOW + 40)[1].shadow is None
    again.edit(spec("Shadow"))
    anew = again.cycle(learned(), now=NOW + 50)[1].shadow
    assert anew is not None
    assert anew.evidence.decisions == 0


def test_what_a_status_holds_is_what_it_was_made_from() -> None:
    standing = Standing(since=NOW, promotions=2).demoted(FallbackCode.INEFFECTIVE, "no effect", NOW + 5)
    view = shadow_view(standing=standing, evidence=evidence(regret=12.0))
    found = stored_trial(stored(promotion_view(shadow=view)).shadow)
    assert found is not None
    assert (found.version, found.allocation, found.standing) == (view.version, view.allocation, standing)
    before, after = view.evidence, found.evidence
    assert (after.since, after.observed_s, after.decisions) == (before.since, before.observed_s, before.decisions)
    assert after.regret == pytest.approx(before.regret, abs=0.02)
    assert after.agreed == before.agreed
    for name in ("candidate", "rule", "measured"):
        was, now = getattr(before, name), getattr(after, name)
        assert now.batches == was.batches
        assert now.met == pytest.approx(was.met, abs=0.1)
        assert now.dollars == pytest.approx(was.dollars, abs=1e-4)


def test_a_canary_is_taken_up_again_only_as_it_was_stated() -> None:
    view = canary_view()
    found = stored_canary(canary_status(view), view.fingerprint)
    assert found is not None
    assert (found.state, found.since) == (CanaryState.TRIAL, NOW)
    assert found.baseline.attainment == pytest.approx(0.99)
    assert found.current == account(0.9, 0, batches=500, hours=0.5)
    assert stored_canary(canary_status(view), "another") is None
    assert stored_canary(None, view.fingerprint) is None


def test_a_canary_refers_to_another_policy_and_its_share_is_no_part_of_what_it_is() -> None:
    ref = spec("Active", digest="sha256:" + 64 * "1").policy
    assert tried(ref, Canary(name="next")).model_dump(include={"name", "digest"}) == {"name": "next", "digest": None}
    assert tried(ref, Canary(digest="sha256:" + 64 * "2")).name == "default"
    assert fingerprint(Canary(name="next", share=0.1)) == fingerprint(Canary(name="next", share=1))
    assert fingerprint(Canary(name="next")) != fingerprint(Canary(name="next", margin=0.2))


class Group:
    """Jobs of a canary by name: half of them try it."""

    CANARY = Canary(name="next", share=0.5, observation="100s", batches=10)

    def __init__(self) -> None:
        self.board = CanaryBoard()
        self.now = NOW
        self.jobs: dict[str, JobCanary] = {}

    def join(self, namespace: str, uid: str) -> JobCanary:
        ref = JobRef(namespace, uid, uid)
        self.jobs[f"{namespace}/{uid}"] = found = JobCanary(self.CANARY, ref, self.board, now=self.now)
        return found

    def play(self, seconds: int, *, late: str = "", decision: Decision | None = None) -> None:
        """A batch a second; those of the job ``late`` miss the target."""
        for _ in range(seconds // 10):
            self.now += 10
            for name, found in self.jobs.items():
                seen = batches(self.now, late=name == late)
                found.step(seen, decision or decided(), job=job(), now=self.now)


def batches(now: float, *, late: bool) -> Measurement:
    one = Batch(now, 10, 0.5, 9000 if late else 500)
    return measurement(now, batches=(one,) * 10)


def decided(*, broken: bool = False) -> Decision:
    policy = Scripted(PolicyError("the network gave NaN")) if broken else Scripted(allocation(5))
    return decide(job(), cycle().evaluation, policy, fallback=RULE)


def grouped() -> tuple[Group, str, str]:
    """A group with one job that tries and one control, after the baseline; their names."""
    group = Group()
    shared = fingerprint(Group.CANARY)
    tries = next(u for u in map(str, range(99)) if bucket(u, shared) < 0.5)
    keeps = next(u for u in map(str, range(99)) if bucket(u, shared) >= 0.5)
    for uid in (tries, keeps):
        group.join("iot", uid)
    group.play(120)
    assert group.jobs[f"iot/{tries}"].standing.state is CanaryState.TRIAL
    assert group.jobs[f"iot/{keeps}"].standing.state is CanaryState.CONTROL
    return group, f"iot/{tries}", f"iot/{keeps}"


def test_a_fall_takes_the_canary_from_all_jobs_of_the_namespace_and_from_no_other() -> None:
    group, tries, keeps = grouped()
    group.join("elsewhere", tries.removeprefix("iot/"))
    group.play(30, late=tries)
    assert {group.jobs[name].standing.state for name in (tries, keeps)} == {CanaryState.WITHDRAWN}
    assert not group.jobs[tries].trying
    assert "attainment fell from 100.00% to 50.00%" in group.jobs[keeps].standing.reason
    assert group.jobs[f"elsewhere/{tries.removeprefix('iot/')}"].standing.state is CanaryState.BASELINE
    late_comer = group.join("iot", "late")
    group.play(10)
    assert late_comer.standing.state is CanaryState.WITHDRAWN
    for uid in (tries, keeps, "iot/late"):
        group.board.forget(uid.removeprefix("iot/"))
    assert group.board.withdrawn(("iot", fingerprint(Group.CANARY))) is None, "nobody is left who knows it"


def test_a_fallback_takes_it_at_once_and_a_control_that_falls_takes_nothing() -> None:
    group, tries, keeps = grouped()
    group.play(60, late=keeps)
    assert group.jobs[tries].trying
    group.play(10, decision=decided(broken=True))
    assert group.jobs[tries].standing.state is CanaryState.WITHDRAWN
    assert "PolicyFailed" in group.jobs[keeps].standing.reason


def test_what_the_policy_does_not_do_itself_is_not_counted() -> None:
    group = Group()
    one = group.join("iot", "a")
    for mode in (Mode.SHADOW, Mode.ADVISE, Mode.PAUSED):
        one.step(batches(NOW + 10, late=True), decided(), job=job(mode=mode), now=NOW + 10)
    assert one.standing.baseline.batches == 0


def status_of(view: PromotionView, previous: SparkIoTJobStatus | None = None) -> SparkIoTJobStatus:
    previous = previous or SparkIoTJobStatus()
    return build_status(
        previous=previous,
        phase=Phase.RUNNING,
        generation=1,
        findings=promotion_findings(view, previous.conditions),
        cycle=replace(cycle(), promotion=view),
        now=NOW,
    )


def told(*views: PromotionView) -> list[tuple[str, bool]]:
    """Reasons of the events between the last two, and whether they are warnings."""
    found = [SparkIoTJobStatus()]
    for view in views:
        found.append(status_of(view, found[-1]))
    own = {"Promoted", "ReadyForPromotion", "Demoted", "BackInShadow"}
    events = events_between(found[-2], found[-1])
    return [(str(e.reason), e.warning) for e in events if e.reason in own or e.reason.startswith("Canary")]


GATHERING = PromotionView(
    Mode.SHADOW, shadow_view(verdict=Verdict(VerdictCode.GATHERING, "not yet"), standing=Standing(since=NOW))
)
PROMOTED = PromotionView(Mode.ACTIVE, ACTIVE)
DEMOTED = PromotionView(
    Mode.SHADOW,
    shadow_view(standing=ACTIVE.standing.demoted(FallbackCode.OUT_OF_DISTRIBUTION, "strange", NOW), cooling_s=HOUR),
)
READY = PromotionView(Mode.SHADOW, shadow_view(terms=replace(TERMS, automatic=False)))


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        ((GATHERING,), []),
        ((GATHERING, PROMOTED), [("Promoted", False)]),
        ((PROMOTED, PROMOTED), []),
        ((PROMOTED, DEMOTED), [("Demoted", True)]),
        ((PROMOTED, GATHERING), [("BackInShadow", False)]),
        ((GATHERING, READY), [("ReadyForPromotion", False)]),
        ((PROMOTED, PromotionView(Mode.ACTIVE)), []),
    ],
)
def test_events_of_a_shadow(views: tuple[PromotionView, ...], expected: list[tuple[str, bool]]) -> None:
    assert told(*views) == expected


@pytest.mark.parametrize(
    ("state", "expected", "status"),
    [
        (CanaryState.BASELINE, [], "Unknown"),
        (CanaryState.CONTROL, [], "True"),
        (CanaryState.TRIAL, [("CanaryStarted", False)], "True"),
        (CanaryState.PASSED, [("CanaryPassed", False)], "True"),
        (CanaryState.WITHDRAWN, [("CanaryWithdrawn", True)], "False"),
    ],
)
def test_events_and_condition_of_a_canary(state: CanaryState, expected: list[tuple[str, bool]], status: str) -> None:
    view = PromotionView(Mode.ACTIVE, None, canary_view(state, reason="it fell"))
    assert told(view) == expected
    (condition,) = status_of(view).conditions
    assert (condition.type, condition.status, condition.reason) == ("CanaryHealthy", status, state.value)


def test_conditions_of_what_is_over_are_unknown() -> None:
    before = status_of(promotion_view())
    after = status_of(PromotionView(Mode.ACTIVE), before)
    assert {(c.type, c.status, c.reason) for c in after.conditions} == {
        ("Promoted", "Unknown", "NotInShadow"),
        ("CanaryHealthy", "Unknown", "NoCanary"),
    }
    assert (after.mode, after.shadow, after.canary) == (Mode.ACTIVE, None, None)
