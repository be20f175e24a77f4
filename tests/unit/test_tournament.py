"""The tournament of the cluster arena: identical conditions for all, whatever the number of processes."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support_jobs import Scripted
from support_policies import policy_artifact

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.errors import PolicyError
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job
from sparkiot_policies.learned import LearnedPolicy
from sparkiot_policies.manifest import Range
from sparkiot_policies.rules import HPA, RULES
from sparkiot_sim.generators import Kind
from sparkiot_sim.tournament.entry import LIMIT, ORACLE, Entrant, Entry, entrant
from sparkiot_sim.tournament.matches import Load, Match, Round, Tournament
from sparkiot_sim.tournament.play import Result, play, play_match
from sparkiot_sim.workload import Workload

CITY = Load(source=Kind.SMART_CITY, mean_rate=300.0)
RECORDING = Workload(name="recorded", times=60.0 * np.arange(240), rates=100.0 + np.arange(240.0) % 50, end=60.0 * 240)


def program(**changes: object) -> Tournament:
    short = Tournament(entries=entries("Rate", "Fixed"), loads=(CITY,), seeds=(1, 2), duration_s=600.0)
    return replace(short, **changes)


def entries(*references: str) -> tuple[Entry, ...]:
    return tuple(Entry.of(reference) for reference in references)


def match(name: str, *, load: Load = CITY, preset: str = "edge-small", seed: int = 1, **taken: object) -> Match:
    return Match(entry=Entry(name=name, policy=name, **taken), round=Round(load=load, preset=preset, seed=seed))


def comparable(result: Result) -> Result:
    """Without the timeline, whose arrays have no equality."""
    return replace(result, timeline=None)


@pytest.mark.parametrize("load", [CITY, Load(source=RECORDING, mean_rate=200.0)], ids=lambda load: load.name)
def test_all_policies_meet_the_same_arrivals_and_signals(load: Load) -> None:
    tournament = program(loads=(load,), duration_s=1800.0)
    timelines = [
        play_match(replace(tournament, seeds=(2,)), match(name, load=load, seed=2), entrant(name)).timeline
        for name in ("Rate", "HPA", "Fixed")
    ]
    first, *others = timelines
    for other in others:
        np.testing.assert_array_equal(first.rate, other.rate)
        np.testing.assert_array_equal(first.predicted, other.predicted)
        np.testing.assert_array_equal(first.time, other.time)
    assert not np.array_equal(timelines[0].wanted, timelines[2].wanted)


def test_a_seed_is_a_load_of_its_own_and_of_a_recording_a_stretch() -> None:
    tournament = program()
    first, second = (tournament.setting(each) for each in tournament.matches()[:2])
    assert not np.array_equal(first.workload.rates, second.workload.rates)
    recorded = Load(source=RECORDING, mean_rate=200.0)
    episodes = [recorded.setting(preset="spot", seed=seed, quality="none", duration_s=3600.0) for seed in range(1, 30)]
    assert {(e.profile.trigger_interval_s, e.job.objectives.latency_target_ms) for e in episodes} == {(0.5, 1000.0)}
    assert len({episode.start for episode in episodes}) == len(episodes)
    for episode in episodes:
        assert RECORDING.start <= episode.start <= RECORDING.end - 3600.0
        assert episode.workload.mean_rate == pytest.approx(200.0)
    whole = recorded.setting(preset="spot", seed=1, quality="none", duration_s=2 * RECORDING.duration_s)
    assert whole.start == RECORDING.start


def test_results_do_not_depend_on_the_number_of_processes() -> None:
    tournament = program()
    done: list[tuple[int, int]] = []
    alone = play(tournament, workers=1, progress=lambda now, of: done.append((now, of)))
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    together = play(tournament, workers=3)
    assert list(map(comparable, alone)) == list(map(comparable, together))
    here = [play_match(tournament, each, entrant(each.entry.policy)) for each in tournament.matches()]
    assert list(map(comparable, here)) == list(map(comparable, alone))
    assert [(r.policy, r.seed, r.timeline is not None) for r in alone] == [
        ("Rate", 1, True),
        ("Rate", 2, False),
        ("Fixed", 1, True),
        ("Fixed", 2, False),
    ]


def test_hpa_keeps_the_pace_of_kubernetes_and_plays_as_itself() -> None:
    """Under the job's own limits, HPA would be a slower rival than the one that users run."""
    jobs: list[Job] = []

    class Watched(HPA):
        def propose(self, job: Job, evaluation: Evaluation) -> Allocation:
            jobs.append(job)
            return super().propose(job, evaluation)

    result = play_match(program(), match("HPA"), Entrant(policy=Watched()))
    assert {job.limits.stabilization_s for job in jobs} == {300.0}
    assert {job.limits.max_up_factor for job in jobs} == {math.inf}
    assert result.fallback_share == 0.0


@pytest.mark.parametrize("name", RULES)
def test_every_rule_plays_as_itself(name: str) -> None:
    assert play_match(program(), match(name), entrant(name)).fallback_share == 0.0


def test_what_the_fallback_rule_did_for_a_learned_policy_is_counted(tmp_path: Path) -> None:
    narrow = LearnedPolicy(policy_artifact(tmp_path, ranges={"workload_rate": Range(low=0.0, high=1.0)}))
    learned = play_match(program(), match("narrow"), Entrant(policy=narrow))
    assert learned.fallback_share == 1.0
    assert learned.summary == play_match(program(), match("Rate"), entrant("Rate")).summary


def test_a_policy_that_fails_is_no_rival_in_disguise() -> None:
    """Only a learned policy has a rule to fall back to; a rule that fails fails aloud."""
    broken = Entrant(policy=Scripted(PolicyError("broken for good")))
    with pytest.raises(PolicyError, match="broken for good"):
        play_match(program(), match("broken"), broken)


def test_the_oracle_is_solved_on_what_the_others_play() -> None:
    tournament = program(entries=(*entries("Rate"), LIMIT), seeds=(2,), duration_s=1800.0)
    rate, oracle = play(tournament, workers=1)
    assert (rate.policy, oracle.policy) == ("Rate", ORACLE)
    assert oracle.round == rate.round
    assert oracle.summary.cost_dollars < rate.summary.cost_dollars
    assert oracle.summary.slo_attainment >= rate.summary.slo_attainment
    assert rate.timeline is not None
    assert oracle.timeline is not None
    np.testing.assert_array_equal(oracle.timeline.time, rate.timeline.time)
    np.testing.assert_allclose(oracle.timeline.rate, rate.timeline.rate)
    assert oracle.duration_s == rate.duration_s


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"entries": ()}, "no policies"),
        ({"seeds": (1, 2, 1)}, "seeds: 1 occurs twice"),
        ({"loads": (CITY, Load(source=Kind.SMART_CITY, mean_rate=300.0))}, "SmartCity at 300 messages/s occurs twice"),
        ({"duration_s": 5.0}, "shorter than one decision interval of 10 s"),
    ],
)
def test_a_program_that_means_nothing_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        program(**changes)


def test_scalings_are_counted_by_the_hour() -> None:
    tournament = program(duration_s=1800.0)
    result = play_match(tournament, tournament.matches()[0], entrant("Rate"))
    assert result.duration_s == 1800.0
    assert result.scalings_per_hour == 2 * result.summary.scalings
