"""The decision: who acts, what is said about it, and that nothing else is read."""

from dataclasses import replace

import pytest
from support_jobs import NOW, Scripted, allocation, evaluation, job

from sparkiot_policies.allocation import ActionClass, Tier
from sparkiot_policies.decide import decide
from sparkiot_policies.decision import ClampCode, FallbackCode, PolicyIdentity, Reason
from sparkiot_policies.errors import ObservationMissingError, PolicyError, PolicyMismatchError
from sparkiot_policies.evaluation import Context
from sparkiot_policies.objectives import SCENARIO_WEIGHTS, Scenario, Weights

FALLBACK = Scripted(allocation(5), name="Rate")
COST, LATENCY = Weights(1.0, 0.0, 0.0), Weights(0.0, 1.0, 0.0)


class Meta:
    """A meta-controller with one answer."""

    identity = PolicyIdentity("meta")

    def __init__(self, answer: Weights | Exception) -> None:
        self._answer = answer

    def weights(self, context: Context) -> Weights:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def test_a_decision_carries_all_that_explains_it() -> None:
    e = evaluation()
    d = decide(job(max_executors=8), e, Scripted(allocation(12)), fallback=FALLBACK)
    assert (d.time, d.job, d.observation, d.weights) == (NOW, "city-traffic", e.observation, e.weights)
    assert (d.previous, d.proposal, d.allocation) == (allocation(4), allocation(12), allocation(8))
    assert ([c.code for c in d.clamps], d.reason) == ([ClampCode.MAX_EXECUTORS], Reason.LOAD_RISING)
    assert (d.policy.name, d.acted.name, d.fallback, d.detail) == ("Scripted", "Scripted", None, "")
    assert d.change is ActionClass.IN_PLACE


def test_the_same_input_gives_the_same_decision() -> None:
    arguments = (job(), evaluation(), Scripted(allocation(6)))
    assert decide(*arguments, fallback=FALLBACK) == decide(*arguments, fallback=FALLBACK)


def test_missing_values_hold_the_allocation_and_are_named() -> None:
    d = decide(job(), evaluation(), Scripted(ObservationMissingError(["cpu", "latency"])), fallback=FALLBACK)
    assert (d.allocation, d.reason, d.fallback) == (allocation(4), Reason.HELD, None)
    assert (d.acted.name, d.detail) == ("Scripted", "observation lacks cpu, latency")


def test_a_failing_policy_leaves_the_decision_to_the_fallback() -> None:
    d = decide(job(), evaluation(), Scripted(PolicyMismatchError("the output is not finite")), fallback=FALLBACK)
    assert (d.allocation, d.fallback, d.detail) == (
        allocation(5),
        FallbackCode.POLICY_FAILED,
        "the output is not finite",
    )
    assert (d.policy.name, d.acted.name) == ("Scripted", "Rate")


def test_a_fallback_that_cannot_decide_holds() -> None:
    blind = Scripted(ObservationMissingError(["capacity"]), name="Rate")
    d = decide(job(), evaluation(), Scripted(PolicyError("damaged")), fallback=blind)
    assert (d.allocation, d.reason, d.fallback) == (allocation(4), Reason.HELD, FallbackCode.POLICY_FAILED)
    assert d.detail == "damaged; observation lacks capacity"


def test_an_unfamiliar_observation_leaves_the_decision_to_the_fallback() -> None:
    d = decide(job(), evaluation(), Scripted(allocation(9), strange=("cpu",)), fallback=FALLBACK)
    assert (d.proposal, d.fallback) == (allocation(5), FallbackCode.OUT_OF_DISTRIBUTION)


@pytest.mark.parametrize(
    ("proposal", "limits", "known", "reason"),
    [
        (allocation(6), {}, {}, Reason.LOAD_RISING),
        (allocation(6), {}, {"backlog_growing": True}, Reason.BACKLOG_GROWING),
        (allocation(6), {}, {"burst": 1.0, "backlog_growing": True}, Reason.BURST_AHEAD),
        (allocation(3), {}, {}, Reason.LOAD_FALLING),
        (allocation(4, gib=1), {}, {"memory": 10.0}, Reason.MEMORY_CHANGE),
        (allocation(4, tier=Tier.HOT), {}, {}, Reason.SHUFFLE_CHANGE),
        (allocation(4), {}, {}, Reason.STEADY),
        (allocation(3), {}, {"backlog_growing": True}, Reason.HELD),
        (allocation(4), {"max_executors": 3}, {}, Reason.LIMITED),
        (allocation(6), {"override": 2}, {}, Reason.LIMITED),
        (allocation(3), {"override": 6}, {}, Reason.LIMITED),
    ],
)
def test_the_reason_in_one_word(proposal: object, limits: dict, known: dict, reason: Reason) -> None:
    assert decide(job(**limits), evaluation(**known), Scripted(proposal), fallback=FALLBACK).reason is reason


def test_the_meta_controller_sets_the_weights_unless_they_are_pinned() -> None:
    d = decide(job(weights=None), evaluation(), Scripted(allocation()), fallback=FALLBACK, meta=Meta(COST))
    assert (d.weights, d.observation.weight_cost, d.observation.weight_latency) == (COST, 1.0, 0.0)
    pinned = decide(job(weights=LATENCY), evaluation(weights=LATENCY), Scripted(allocation()), fallback=FALLBACK)
    assert pinned.weights == LATENCY


def test_the_last_weights_stay_while_the_context_is_incomplete() -> None:
    incomplete = Meta(ObservationMissingError(["rate_mean"]))
    e = evaluation(weights=COST)
    assert decide(job(weights=None), e, Scripted(allocation()), fallback=FALLBACK, meta=incomplete).weights == COST


def test_a_failing_meta_controller_keeps_the_last_weights_and_is_named() -> None:
    broken = Meta(PolicyError("the output is not finite"))
    e = replace(evaluation(), weights=SCENARIO_WEIGHTS[Scenario.BALANCED])
    d = decide(job(weights=None), e, Scripted(allocation(6)), fallback=FALLBACK, meta=broken)
    assert (d.weights, d.allocation) == (e.weights, allocation(6))
    assert d.detail == "the weights stay as they were: the output is not finite"
