"""The sentence that explains a decision: against what, how it reads, and that it costs nothing in quiet cycles."""

from dataclasses import replace

import pytest
from support_jobs import NOW, Scripted, allocation, evaluation, job

from sparkiot_operator.explanation import Baselines, Explainer, explain, sentence
from sparkiot_operator.phrases import because, number
from sparkiot_policies.allocation import Allocation, Tier
from sparkiot_policies.attribution import Player
from sparkiot_policies.causes import CAUSES
from sparkiot_policies.decide import decide
from sparkiot_policies.decision import Decision
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job
from sparkiot_policies.observation import Observation
from sparkiot_policies.policy import Policy
from sparkiot_policies.rules import rule

CAUSE = {cause.name: cause for cause in CAUSES}
RATE, AHEAD = rule("Rate"), rule("RateAhead")


class Counting:
    """A rule that counts how often it is asked."""

    def __init__(self, policy: Policy) -> None:
        self.identity, self.needs, self.unfamiliar = policy.identity, policy.needs, policy.unfamiliar
        self._policy = policy
        self.asked = 0

    def propose(self, job: Job, evaluation: Evaluation) -> Allocation:
        self.asked += 1
        return self._policy.propose(job, evaluation)


def at(time: float, current: int, **changes: float | None) -> Evaluation:
    """A moment of a job whose executors take 100 messages/s each."""
    seen = {"capacity": 100.0, "trigger_interval": 1.0, "predicted_rate": 100.0, **changes}
    return evaluation(allocation(current), now=NOW + time, **seen)


def decided(seen: Evaluation, policy: Policy = AHEAD, **bounds: float) -> tuple[Job, Evaluation, Decision]:
    asked = job(**bounds)
    return asked, seen, decide(asked, seen, policy, fallback=RATE)


def test_a_burst_in_full() -> None:
    """Quiet: 240/0.6/100 = 4. Then the edge announces 900: 15, of which one step up from 4 allows 9."""
    explainer = Explainer()
    quiet = decided(at(0, 4, workload_rate=240.0, predicted_rate=240.0))
    assert explainer.step(*quiet, policy=AHEAD, fallback=RATE) == ""
    burst = decided(at(10, 4, workload_rate=240.0, predicted_rate=900.0, burst=1.0), max_up_step=5)
    assert explainer.step(*burst, policy=AHEAD, fallback=RATE) == (
        "RateAhead: executors 4 -> 9 (BurstAhead): the edge announces a burst of 900 messages/s (+11.0 executors);"
        " Rate would have asked for 4;"
        " executors 15 -> 9: one step up from 4 is at most 4 times and 5 more (MaxStepUp)"
    )


def test_three_causes_the_largest_first() -> None:
    """Load, forecast and backlog alone make 4 into 8, 8 and 7; load and forecast 8, load and backlog 10, forecast and
    backlog 11 (the backlog is then counted from a trigger of less load), all 10. Over the six orders the load's steps
    are 4, 4, 0, 3, -1, -1, the forecast's 4, 4, 4, 0, 0, 0, and the backlog's the rest of the 6."""
    explainer = Explainer()
    explainer.step(*decided(at(0, 4, workload_rate=240.0, predicted_rate=240.0)), policy=AHEAD, fallback=RATE)
    late = at(10, 4, workload_rate=480.0, predicted_rate=480.0, backlog=12_480.0, backlog_growing=True)
    assert explainer.step(*decided(late), policy=AHEAD, fallback=RATE) == (
        "RateAhead: executors 4 -> 10 (BacklogGrowing): backlog 0 -> 12,480 messages (+2.5 executors),"
        " forecast 240 -> 480 messages/s (+2.0), load 240 -> 480 messages/s (+1.5); Rate would have asked for 10"
    )


def test_the_first_decision_names_no_causes_but_the_rule_and_the_bounds() -> None:
    first = decided(at(0, 4, workload_rate=480.0, predicted_rate=900.0), max_executors=9)
    assert Explainer().step(*first, policy=AHEAD, fallback=RATE) == (
        "RateAhead: executors 4 -> 9 (LoadRising); Rate would have asked for 8;"
        " executors 15 -> 9: the maximum is 9 (MaxExecutors)"
    )


def test_a_way_down_in_steps_is_explained_against_when_more_was_wanted() -> None:
    """15 wanted at 0 s. At 60 s it is 4 and the envelope takes half: 8. At 130 s it is 5: one more than before, and yet
    the reason to go down from 8 is what changed since 15 were wanted."""
    baselines = Baselines()
    wanted = [decided(at(t, n, predicted_rate=rate)) for t, n, rate in ((0, 9, 900.0), (60, 15, 240.0))]
    for _, _, decision in wanted:
        baselines.remember(decision, AHEAD)
    _, _, down = decided(at(130, 8, predicted_rate=290.0))
    assert down.allocation.executors < 8
    head, since = baselines.of(down)
    assert (head, since.time if since else None) == ("executors", NOW)


def test_another_policy_that_acts_begins_anew() -> None:
    baselines = Baselines()
    baselines.remember(decided(at(0, 4))[2], AHEAD)
    _, _, other = decided(at(10, 4, workload_rate=480.0), RATE)
    assert baselines.of(other)[1] is None
    baselines.remember(other, RATE)
    baselines.remember(decided(at(20, 4))[2], AHEAD)
    assert baselines.of(decided(at(30, 4, workload_rate=480.0), RATE)[2])[1] is None


def test_a_cycle_that_lacked_a_measurement_is_no_baseline() -> None:
    baselines = Baselines()
    *_, decision = decided(at(0, 4, capacity=None))
    assert decision.proposal == decision.previous
    baselines.remember(decision, AHEAD)
    assert baselines.of(decided(at(10, 4, predicted_rate=900.0))[2])[1] is None


def test_nothing_is_asked_while_nothing_changes_and_no_change_twice() -> None:
    policy, fallback, explainer = Counting(AHEAD), Counting(RATE), Explainer()
    for time in range(0, 100, 10):
        explainer.step(
            *decided(at(time, 4, workload_rate=240.0, predicted_rate=240.0)), policy=policy, fallback=fallback
        )
    assert (policy.asked, fallback.asked) == (0, 0)
    # Only advised: the executors stay, and every cycle decides the same change again.
    advised = [
        explainer.step(*decided(at(t, 4, workload_rate=240.0, predicted_rate=900.0)), policy=policy, fallback=fallback)
        for t in (100, 110, 120)
    ]
    assert len(set(advised)) == 1
    assert "forecast 240 -> 900 messages/s" in advised[0]
    # Then and now, and each coalition of the one cause that moved.
    assert (policy.asked, fallback.asked) == (4, 1)


def test_the_rule_in_place_of_the_policy_says_so_and_does_not_name_itself() -> None:
    strange = Scripted(allocation(9), strange=("latency_target",), name="default")
    asked = job()
    seen = at(0, 4, workload_rate=480.0)
    decision = decide(asked, seen, strange, fallback=RATE)
    found = explain(asked, seen, decision, ("executors", None), policy=RATE, fallback=RATE)
    assert found.rule is None
    assert sentence(decision, found) == ("Rate: executors 4 -> 8 (LoadRising) in place of default (OutOfDistribution)")


def test_another_tier_is_told_without_a_number() -> None:
    asked, seen = job(), at(0, 4)
    hot = Scripted(replace(allocation(4), tier=Tier.HOT), name="tiers")
    decision = decide(asked, seen, hot, fallback=RATE)
    found = explain(asked, seen, decision, Baselines().of(decision), policy=hot, fallback=RATE)
    assert sentence(decision, found).startswith(
        "tiers: tier Warm -> Hot (ShuffleChange); Rate would have asked for 2 × "
    )


@pytest.mark.parametrize(
    ("cause", "now", "then", "told"),
    [
        ("load", {"workload_rate": 812.0}, {"workload_rate": 500.0}, "load 500 -> 812 messages/s"),
        ("load", {"workload_rate": 812.0}, {}, "load 812 messages/s"),
        ("backlog", {"backlog": 12_000.0}, {"backlog": 0.0}, "backlog 0 -> 12,000 messages"),
        ("latency", {"lateness": 1.234}, {"lateness": 0.8}, "latency of the newest batch 0.8 -> 1.2 of its target"),
        ("memory", {"memory": 91.6}, {"memory": 60.0}, "memory in use 60 -> 91.6 %"),
        ("clock", {"hour_sin": 0.5}, {"hour_sin": 0.1}, "clock"),
    ],
)
def test_phrases(cause: str, now: dict[str, float], then: dict[str, float], told: str) -> None:
    assert because(Player(cause, tuple(now)), Observation(**now), Observation(**then)) == told


def test_a_policy_that_sees_what_a_rate_needs_is_told_by_that() -> None:
    """The same rate may need more than it did, as batches take longer or a backlog is to be worked off."""
    then = Observation(workload_rate=190.0, required=4.9, predicted_rate=200.0, required_ahead=5.0)
    now = replace(then, required=43.1, required_ahead=46.0, backlog=5000.0, latency_target=1000.0, trigger_interval=0.5)
    load, forecast = CAUSE["load"], CAUSE["forecast"]
    assert because(load, now, then) == "load of 190 messages/s with a backlog of 5,000 needs 4.9 -> 43.1 executors"
    assert because(forecast, now, then) == "forecast of 200 messages/s needs 5 -> 46 executors"
    announced = replace(now, burst=1.0)
    assert because(forecast, announced, then) == (
        "the edge announces a burst of 200 messages/s, which needs 5 -> 46 executors"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(12_000.4, "12,000"), (812.4, "812"), (43.06, "43.1"), (7.54, "7.5"), (0.0432, "0.043"), (0, "0")],
)
def test_numbers_for_people(value: float, text: str) -> None:
    assert number(value) == text
