"""What a decision leaves behind."""

from typing import Any

from support_jobs import NOW, Scripted, allocation, evaluation, history, job

from sparkiot_policies.allocation import Allocation, Tier
from sparkiot_policies.decide import decide
from sparkiot_policies.decision import Decision, FallbackCode
from sparkiot_policies.errors import PolicyError
from sparkiot_policies.history import NEVER, Fallback, History, Proposal, ScaleUp


def decision(proposal: Allocation | Exception, past: History, *, now: float = NOW, **known: Any) -> Decision:
    wide = job(max_up_factor=100.0, max_up_step=100, stabilization_s=0.0, cooldown_down_s=0.0, cooldown_shuffle_s=0.0)
    e = evaluation(history=past, now=now, memory=10.0, **known)
    return decide(wide, e, Scripted(proposal), fallback=Scripted(allocation(5), name="Rate"))


def after(past: History, proposal: Allocation | Exception, *, now: float = NOW, **known: Any) -> History:
    taken = known.pop("taken", True)
    d = decision(proposal, past, now=now, **known)
    return past.after(d, keep_s=120.0, fallback_s=600.0, processing_rate=400.0, taken=taken)


def test_a_steady_decision_leaves_only_its_proposal_and_weights() -> None:
    past = history()
    new = after(past, allocation())
    assert (new.proposals, new.weights) == ((Proposal(NOW, 4, 2048),), evaluation().weights)
    assert new.allocation == past.allocation
    assert (new.scaled_up, new.scaled_down, new.shuffled, new.restarted) == (NEVER,) * 4
    assert (new.last_scale_up, new.fallback) == (None, None)


def test_each_kind_of_change_is_dated() -> None:
    assert after(history(), allocation(6)).scaled_up == NOW
    assert after(history(), allocation(3)).scaled_down == NOW
    assert after(history(), allocation(tier=Tier.HOT)).shuffled == NOW
    new = after(history(), allocation(6, gib=1, tier=Tier.HOT))
    assert (new.scaled_up, new.shuffled, new.restarted, new.scaled_down) == (NOW, NOW, NOW, NEVER)


def test_proposals_are_those_of_the_policy_and_are_forgotten() -> None:
    past = history(proposals=(Proposal(NOW - 121, 7), Proposal(NOW - 120, 8)))
    assert after(past, allocation(30)).proposals == (Proposal(NOW - 120, 8), Proposal(NOW, 30, 2048))


def test_an_advised_decision_leaves_the_allocation() -> None:
    new = after(history(), allocation(6, gib=1, tier=Tier.HOT), taken=False)
    assert (new.allocation, new.proposals) == (allocation(4), (Proposal(NOW, 6, 1024),))
    assert (new.scaled_up, new.shuffled, new.restarted, new.last_scale_up) == (NEVER, NEVER, NEVER, None)


def test_a_scale_up_remembers_what_to_judge_it_by() -> None:
    new = after(history(), allocation(6), workload_rate=300.0)
    assert new.last_scale_up == ScaleUp(NOW, executors=4, processing_rate=400.0, workload_rate=300.0)


def test_scale_ups_that_follow_each_other_are_judged_as_one() -> None:
    first = after(history(), allocation(6), workload_rate=300.0)
    second = after(first, allocation(8), now=NOW + 119, workload_rate=500.0)
    assert second.last_scale_up == ScaleUp(NOW + 119, executors=4, processing_rate=400.0, workload_rate=300.0)
    third = after(second, allocation(9), now=NOW + 239, workload_rate=500.0)
    assert third.last_scale_up == ScaleUp(NOW + 239, executors=8, processing_rate=400.0, workload_rate=500.0)


def test_a_scale_down_ends_the_judgement() -> None:
    past = history(last_scale_up=ScaleUp(NOW - 300, 2, 400.0, 300.0))
    assert after(past, allocation(3)).last_scale_up is None
    assert after(past, allocation(tier=Tier.HOT)).last_scale_up == past.last_scale_up


def test_a_fallback_begins_once_and_is_not_prolonged_by_itself() -> None:
    first = after(history(), PolicyError("damaged"))
    begun = Fallback(FallbackCode.POLICY_FAILED, "damaged", until=NOW + 600)
    assert first.fallback == begun
    during = decision(allocation(9), first, now=NOW + 599)
    assert (during.proposal, during.fallback, during.detail) == (
        allocation(5),
        FallbackCode.POLICY_FAILED,
        "damaged",
    )
    assert first.after(during, keep_s=120.0, fallback_s=600.0, processing_rate=None).fallback == begun
    again = decision(allocation(9), first, now=NOW + 600)
    assert (again.proposal, again.fallback) == (allocation(9), None)
    anew = after(first, PolicyError("still damaged"), now=NOW + 600)
    assert anew.fallback == Fallback(FallbackCode.POLICY_FAILED, "still damaged", until=NOW + 1200)
