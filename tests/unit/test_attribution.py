"""Attribution: Shapley values that add up, on games and graphs small enough to compute by hand."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_jobs import evaluation, job
from support_policies import observed

from sparkiot_policies import library
from sparkiot_policies.artifact import load_artifact, write_artifact
from sparkiot_policies.attribution import HEADS, NEXT, Coalitions, Effects, Player, attribute, shapley
from sparkiot_policies.causes import CAUSES
from sparkiot_policies.errors import ObservationMissingError
from sparkiot_policies.features import Feature
from sparkiot_policies.learned import LearnedPolicy
from sparkiot_policies.mlp import Activation, Layer, Mlp
from sparkiot_policies.observation import ELEMENTS, Observation, names
from sparkiot_policies.rules import rule

EACH = tuple(Player(e.name, (e.name,)) for e in ELEMENTS)
RATE, BACKLOG = Player("rate", ("workload_rate",)), Player("backlog", ("backlog",))


def game(values: list[float]) -> tuple[int, Effects]:
    """Players and values of all coalitions, by their number in binary."""
    return len(values).bit_length() - 1, np.array(values)[:, None]


def asked(values: Effects, coalitions: Coalitions) -> Effects:
    return values[coalitions @ (1 << np.arange(coalitions.shape[1]))]


games = st.integers(1, 5).flatmap(
    lambda count: st.lists(st.floats(-100, 100, width=32), min_size=2**count, max_size=2**count)
)


def test_gloves() -> None:
    """A left glove and two right ones: a pair is worth 1. In four of six orders the left one completes it."""
    left, right, other = 1, 2, 4
    values = [float(bool(c & left) and bool(c & (right | other))) for c in range(8)]
    effects = shapley(lambda coalitions: asked(game(values)[1], coalitions), 3)[:, 0]
    assert effects.tolist() == pytest.approx([2 / 3, 1 / 6, 1 / 6])


def test_no_player_no_effect() -> None:
    assert shapley(lambda coalitions: np.ones((len(coalitions), 4)), 0).shape == (0, 4)


@given(games)
def test_effects_are_means_over_all_orders(values: list[float]) -> None:
    count, table = game(values)
    effects = shapley(lambda coalitions: asked(table, coalitions), count)[:, 0]
    expected = np.zeros(count)
    for order in (orders := list(permutations(range(count)))):
        joined = 0
        for player in order:
            expected[player] += table[joined | 1 << player, 0] - table[joined, 0]
            joined |= 1 << player
    assert effects == pytest.approx(expected / len(orders), abs=1e-9)


@given(games, st.sampled_from([0, 10]))
def test_effects_add_up_whether_exact_or_sampled(values: list[float], most_exact: int) -> None:
    count, table = game(values)
    effects = shapley(lambda coalitions: asked(table, coalitions), count, most_exact=most_exact)
    assert effects.sum() == pytest.approx(table[-1, 0] - table[0, 0], abs=1e-6)


@given(games)
def test_a_player_that_changes_nothing_has_no_effect(values: list[float]) -> None:
    count, table = game(values)
    doubled = np.concatenate([table, table])  # one player more, and the same values with it as without
    for most_exact in (0, 10):
        effects = shapley(lambda coalitions: asked(doubled, coalitions), count + 1, most_exact=most_exact)
        assert effects[-1, 0] == 0


def test_sampling_comes_near_the_exact_effects() -> None:
    rng = np.random.default_rng(5)
    table = rng.normal(size=(2**6, 2)).cumsum(axis=0)
    exact, sampled = (shapley(lambda c: asked(table, c), 6, most_exact=most) for most in (10, 0))
    assert sampled == pytest.approx(exact, abs=0.15 * np.abs(table).max())
    assert np.abs(exact).max() > 1, "there was something to find"


@pytest.fixture(scope="module")
def summing(tmp_path_factory: pytest.TempPathFactory) -> LearnedPolicy:
    """Executors: 1 more than rate plus backlog, at most 20. k's logit is k·s - k²/2, highest where k is nearest s."""
    k = np.arange(20)
    weight, bias = np.zeros((35, 2), dtype=np.float32), np.zeros(35, dtype=np.float32)
    weight[:20], bias[:20] = k[:, None], -(k**2) / 2
    folder = tmp_path_factory.mktemp("summing")
    write_artifact(
        folder,
        name="summing",
        kind="ppo",
        weights=Mlp((Layer(weight, bias),), Activation.RELU),
        observation_schema=2,
        features=[Feature(element=name, scale=1.0) for name in ("workload_rate", "backlog")],
    )
    return LearnedPolicy(load_artifact(folder))


def test_a_tiny_graph_by_hand(summing: LearnedPolicy) -> None:
    """Then 1 + 2, so 4 executors; now 4 + 25, cut to 20. Rate first: 4 to 7, then 20. Backlog first: 4 to 20, then 20.
    So the rate's effect is (3 + 0) / 2, the backlog's (13 + 16) / 2."""
    then, now = Observation(workload_rate=1.0, backlog=2.0), Observation(workload_rate=4.0, backlog=25.0)
    found = attribute(summing, job(), observed(now), then, [RATE, BACKLOG])
    assert (found.before[0], found.after[0]) == (4, 20)
    assert found.of("executors") == [(BACKLOG, 14.5), (RATE, 1.5)]
    assert found.effects[:, 1:].tolist() == [[0, 0, 0], [0, 0, 0]], "nothing else is decided by them"


def test_what_did_not_change_or_is_not_used_is_no_player(summing: LearnedPolicy) -> None:
    then = Observation(workload_rate=1.0, backlog=2.0, cpu=10.0)
    found = attribute(summing, job(), observed(replace(then, backlog=5.0, cpu=90.0)), then, EACH)
    assert [(player.name, effect) for player, effect in found.of("executors")] == [("backlog", 3.0)]


def test_a_baseline_without_a_value_says_which(summing: LearnedPolicy) -> None:
    with pytest.raises(ObservationMissingError, match="backlog"):
        attribute(summing, job(), observed(Observation(workload_rate=1.0, backlog=1.0)), Observation(), [BACKLOG])


def test_a_rule_by_hand() -> None:
    """Rate at 60 %: 120 messages/s on executors of 100 need 2, 480 need 8; 6,000 messages in 60 s need one more. In
    either order the rate adds 6 and the backlog 1."""
    now = evaluation(workload_rate=480.0, capacity=100.0, backlog=6000.0, trigger_interval=0.0)
    then = replace(now.observation, workload_rate=120.0, backlog=0.0)
    found = attribute(rule("Rate"), job(), now, then, [RATE, BACKLOG])
    assert (found.before[0], found.after[0]) == (2, 9)
    assert found.of("executors") == [(RATE, 6.0), (BACKLOG, 1.0)]


class Unknown:
    """A learned policy that does not look like one: it is asked once a coalition."""

    def __init__(self, policy: LearnedPolicy) -> None:
        self.identity, self.needs = policy.identity, policy.needs
        self.unfamiliar, self.propose = policy.unfamiliar, policy.propose


@pytest.fixture(scope="module")
def shipped() -> LearnedPolicy:
    return LearnedPolicy(library.load("default"))


def typical(**changes: float) -> Observation:
    """Values in the middle of what the shipped policy's features expect."""
    values = {e.name: 0.5 for e in ELEMENTS} | {"required": 3.0, "required_ahead": 4.0, "required_peak": 5.0}
    values |= {
        "running": 4.0,
        "in_force": 4.0,
        "floor": 4.0,
        "startup": 20.0,
        "interval": 10.0,
        "latency_target": 1000.0,
    }
    values |= changes
    values.setdefault(NEXT, 0.0)
    return Observation(**{**values, NEXT: max(values["required"], values["required_ahead"])})


@settings(max_examples=25, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([n for n in names(3) if n != NEXT]), st.floats(0, 20, width=32), min_size=1, max_size=20
    )
)
def test_the_shipped_policys_effects_add_up(shipped: LearnedPolicy, changes: dict[str, float]) -> None:
    then, now = typical(), typical(**changes)
    for players in (CAUSES, EACH):
        found = attribute(shipped, job(), observed(now), then, players)
        assert found.effects.sum(axis=0) == pytest.approx(found.after - found.before, abs=1e-9)
        proposed = shipped.propose(job(), observed(now))
        assert found.after.tolist() == [
            proposed.executors,
            proposed.memory_gib,
            proposed.tier.code,
            proposed.compression.code,
        ]
        assert NEXT not in {p.name for p in found.players}


def test_asking_once_a_coalition_gives_the_same_as_one_pass(shipped: LearnedPolicy) -> None:
    then, now = typical(), typical(required=9.0, required_ahead=11.0, backlog_work=30.0, lateness=1.4)
    one, each = (attribute(p, job(), observed(now), then, CAUSES) for p in (shipped, Unknown(shipped)))
    assert one.effects == pytest.approx(each.effects)
    assert one.of("executors")[0][1] > 1, "more load means more executors"


def test_what_follows_from_others_follows_them(shipped: LearnedPolicy) -> None:
    """Only the forecast rose: all of the rise is its, though the higher of both rose with it."""
    found = attribute(shipped, job(), observed(typical(required_ahead=12.0)), typical(), EACH)
    assert [player.name for player in found.players] == ["required_ahead"]
    assert found.effects[0, 0] == found.after[0] - found.before[0]


def test_every_element_has_one_cause() -> None:
    named = [name for cause in CAUSES for name in cause.elements]
    assert sorted(named) == sorted(e.name for e in ELEMENTS)
    assert len(HEADS) == 4
