"""References to policies and what an entry takes from them."""

from dataclasses import replace

import pytest
from support_jobs import Scripted, allocation

from sparkiot_policies.allocation import Tier
from sparkiot_policies.errors import PolicyError
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job
from sparkiot_policies.objectives import Weights
from sparkiot_sim.generators import Kind
from sparkiot_sim.tournament.entry import BALANCED, Entrant, Entry, entrant
from sparkiot_sim.tournament.matches import Load, Match, Round, Tournament
from sparkiot_sim.tournament.play import play_match
from sparkiot_sim.tournament.tiers import TierUse, tier_use

ROUND = Round(load=Load(source=Kind.INDUSTRIAL, mean_rate=300.0), preset="edge-small", seed=1)
RATE = Entry.of("Rate")
PROGRAM = Tournament(entries=(RATE,), loads=(ROUND.load,), presets=("edge-small",), seeds=(1,), duration_s=300.0)


class Watching(Scripted):
    """Asks for the cold tier and remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__(allocation(6, gib=4, tier=Tier.COLD))
        self.jobs: list[Job] = []
        self.seen: list[Evaluation] = []

    def propose(self, job, evaluation):  # type: ignore[no-untyped-def]  # the protocol's own
        self.jobs.append(job)
        self.seen.append(evaluation)
        return super().propose(job, evaluation)


def watched(entry: Entry, *, weights: Weights | None = BALANCED) -> Watching:
    policy = Watching()
    play_match(PROGRAM, Match(entry=entry, round=ROUND), Entrant(policy=policy, weights=weights))
    return policy


@pytest.mark.parametrize(
    ("reference", "weights"),
    [
        ("default", Weights(1 / 3, 1 / 3, 1 / 3)),
        ("default:weights=HealthcareCritical", Weights(0.1, 0.8, 0.1)),
        ("default:cost=0.6:latency=0.3:throughput=0.1", Weights(0.6, 0.3, 0.1)),
        ("default:weights=Auto", None),
    ],
)
def test_a_learned_policy_takes_its_reward_weights_from_the_entry(reference: str, weights: Weights | None) -> None:
    found = entrant(reference)
    assert found.learned
    assert found.weights == weights
    assert (found.meta is not None) == (weights is None)


def test_the_meta_controller_of_an_entry_can_be_named() -> None:
    named = entrant("default:weights=Auto:meta=default-meta").meta
    assert named is not None
    assert named.identity.name == "default-meta"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("default:weights=Cheap", "scenario 'Cheap' is unknown; known: HealthcareCritical"),
        ("default:cost=0.6", "takes weights=SCENARIO"),
        ("default:cost=0.6:latency=0.6:throughput=0.6", "must sum to 1"),
        ("default:cost=a:latency=0:throughput=0", "could not convert"),
        ("default:weights=Balanced:meta=default-meta", "takes weights=SCENARIO"),
        ("default:weights", "form name=value"),
        ("default:weights=Auto:weights=Auto", "none occurs twice"),
        ("default:weights=Auto:meta=default", "where td3 is needed"),
        ("nobody:weights=Auto", "neither a path nor the name of a shipped artifact"),
    ],
)
def test_a_reference_that_means_nothing_says_why(reference: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        entrant(reference)


def test_the_weights_of_the_entry_are_the_objectives_of_the_match() -> None:
    weights = Weights(0.6, 0.3, 0.1)
    assert {job.objectives.weights for job in watched(RATE, weights=weights).jobs} == {weights}


def test_a_pinned_tier_is_where_the_job_begins_and_all_that_it_may_use() -> None:
    pinned = replace(RATE, tier=Tier.WARM)
    allowed = {job.limits.tiers for job in watched(pinned).jobs}
    assert allowed == {(Tier.WARM,)}
    hot = Match(entry=replace(RATE, tier=Tier.HOT), round=ROUND)
    assert play_match(PROGRAM, hot, Entrant(policy=Watching())).tiers.shares == (1.0, 0.0, 0.0, 0.0)
    free = play_match(PROGRAM, Match(entry=RATE, round=ROUND), Entrant(policy=Watching()))
    assert free.tiers.shares[Tier.COLD.code] > 0.9


def test_an_entry_may_have_edge_signals_of_its_own() -> None:
    with_edge, without = watched(RATE).seen, watched(replace(RATE, signal="none")).seen
    assert all(seen.observation.predicted_rate is not None for seen in with_edge)
    assert all(seen.signal_fresh is None for seen in without)


def test_a_delayed_entry_sees_what_others_saw_before() -> None:
    prompt, late = watched(RATE).seen, watched(replace(RATE, delay=3)).seen
    # Nothing can be proposed before the first measurement has come.
    assert [e.observation.workload_rate for e in late[-5:]] == [e.observation.workload_rate for e in prompt[-8:-3]]
    assert [e.age_s for e in late[-5:]] == [30.0] * 5
    assert [e.now for e in late[-5:]] == [e.now for e in prompt[-5:]]


def test_use_of_tiers_by_hand() -> None:
    # Hot data at 0.9 and 0.7: warm and cold. Cold data at 0.1: cold.
    found = tier_use([1, 2, 2, 0], [0.9, 0.7, 0.1, None])
    assert found == TierUse((0.25, 0.25, 0.5, 0.0), hot_on_fast=0.5, cold_on_fast=0.0)
    assert tier_use([1], [0.5]) == TierUse((0.0, 1.0, 0.0, 0.0), None, None)
