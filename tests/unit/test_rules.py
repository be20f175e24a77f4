"""Each rule on examples that can be worked out by hand."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_jobs import NOW, allocation, evaluation, job

from sparkiot_policies.allocation import Compression, Tier
from sparkiot_policies.errors import ObservationMissingError
from sparkiot_policies.history import Proposal
from sparkiot_policies.job import Limits
from sparkiot_policies.observation import Observation
from sparkiot_policies.rules import HPA, RULES, Dexter, Fixed, Rate, RateAhead, Seer, rule
from sparkiot_policies.rules.hpa import kubernetes_limits


def test_fixed_is_the_thesis_baseline() -> None:
    thesis = job(initial=allocation(4, gib=4, tier=Tier.WARM, compression=Compression.LZ4))
    assert Fixed().propose(thesis, evaluation()) == allocation(15, gib=4, tier=Tier.WARM, compression=Compression.LZ4)


def test_fixed_keeps_of_the_jobs_initial_allocation_what_is_not_stated() -> None:
    assert Fixed(executors=3).propose(job(), evaluation()) == allocation(3)
    stated = Fixed(executors=3, memory_mib=1024, tier=Tier.COLD, compression=Compression.ZSTD)
    assert stated.propose(job(), evaluation()) == allocation(3, gib=1, tier=Tier.COLD, compression=Compression.ZSTD)


@pytest.mark.parametrize(("cpu", "executors"), [(80.0, 8), (80.1, 10), (30.0, 8), (29.9, 7), (50.0, 8)])
def test_dexter_steps_on_cpu(cpu: float, executors: int) -> None:
    e = evaluation(allocation(8), cpu=cpu, proposals=(Proposal(NOW - 10, 8),))
    assert Dexter().propose(job(), e) == allocation(executors, gib=4)


@pytest.mark.parametrize(("current", "cpu", "executors"), [(20, 95.0, 20), (19, 95.0, 20), (1, 5.0, 1)])
def test_dexter_stays_in_the_thesis_action_space(current: int, cpu: float, executors: int) -> None:
    e = evaluation(allocation(current), cpu=cpu, proposals=(Proposal(NOW - 10, 8),))
    assert Dexter().propose(job(), e).executors == executors


def test_dexter_starts_at_index_10() -> None:
    assert Dexter().propose(job(), evaluation(allocation(2), cpu=50.0)).executors == 11
    assert Dexter().propose(job(), evaluation(allocation(2), cpu=90.0)).executors == 13


@pytest.mark.parametrize(
    ("predicted", "executors"), [(0.0, 1), (49.9, 1), (50.0, 2), (420.0, 9), (900.0, 19), (5e6, 20)]
)
def test_seer_is_linear_in_the_prediction(predicted: float, executors: int) -> None:
    expected = allocation(executors, gib=4, tier=Tier.HOT, compression=Compression.NONE)
    assert Seer().propose(job(), evaluation(predicted_rate=predicted)) == expected


@pytest.mark.parametrize(
    ("cpu", "executors"),
    [
        (80.0, 4),  # on target
        (87.0, 4),  # 1.0875: within 10 %
        (89.0, 5),  # 1.1125 · 4 = 4.45
        (72.9, 4),  # 72 whole percent: ratio 0.9, on the edge of the tolerance
        (71.0, 4),  # 0.8875 · 4 = 3.55
        (40.0, 2),  # 0.5 · 4
        (0.0, 1),  # never zero
    ],
)
def test_hpa_follows_the_ratio(cpu: float, executors: int) -> None:
    e = evaluation(allocation(4), cpu=cpu, running=4.0, pending=0.0)
    assert HPA().propose(job(), e) == allocation(executors)


def test_hpa_keeps_the_initial_memory_tier_and_compression() -> None:
    e = evaluation(allocation(4, gib=8, tier=Tier.HOT), cpu=160.0, running=4.0, pending=0.0)
    assert HPA().propose(job(), e) == allocation(8)


def test_hpa_takes_pending_pods_as_idle_when_scaling_up() -> None:
    # 4 ready at 160 % of 80 % would be 8; with 2 pending at 0 %: 106 % over 6 pods, ratio 1.325, 7.95 -> 8
    e = evaluation(allocation(6), cpu=160.0, running=4.0, pending=2.0)
    assert HPA().propose(job(), e).executors == 8
    # with 4 pending at 0 %: 80 % over 8 pods is on target, nothing more is asked for
    e = evaluation(allocation(8), cpu=160.0, running=4.0, pending=4.0)
    assert HPA().propose(job(), e).executors == 8
    # with 6 pending the ratio would turn round: no change
    e = evaluation(allocation(10), cpu=160.0, running=4.0, pending=6.0)
    assert HPA().propose(job(), e).executors == 10


def test_hpa_ignores_pending_pods_when_scaling_down() -> None:
    e = evaluation(allocation(6), cpu=40.0, running=4.0, pending=2.0)
    assert HPA().propose(job(), e).executors == 2


@pytest.mark.parametrize(("current", "executors"), [(1, 5), (3, 7), (4, 8), (10, 20)])
def test_hpa_adds_at_most_four_pods_or_doubles(current: int, executors: int) -> None:
    e = evaluation(allocation(current), cpu=8000.0, running=float(current), pending=0.0)
    assert HPA().propose(job(), e).executors == executors


def test_hpa_scales_up_once_a_period() -> None:
    def after(seconds: float) -> int:
        e = evaluation(allocation(4), cpu=160.0, running=4.0, pending=0.0, scaled_up=NOW - seconds)
        return HPA().propose(job(interval_s=5.0), e).executors

    assert (after(5), after(10), after(15)) == (4, 4, 8)


def test_hpa_without_a_running_pod_has_no_metrics() -> None:
    with pytest.raises(ObservationMissingError, match="cpu"):
        HPA().propose(job(), evaluation(cpu=0.0, running=0.0, pending=4.0))


def test_kubernetes_limits_leave_only_the_stabilisation() -> None:
    limits = kubernetes_limits(Limits(max_executors=50))
    assert (limits.stabilization_s, limits.max_up_factor, limits.max_up_step) == (300.0, math.inf, 50)
    assert (limits.max_down_factor, limits.cooldown_up_s, limits.cooldown_down_s) == (1.0, 0.0, 0.0)


FLINK, FLINK_AHEAD = (kind(utilization=0.7, boundary=0.3) for kind in (Rate, RateAhead))


def test_rate_takes_the_capacity_beside_the_fixed_cost_where_it_is_known() -> None:
    """700 messages/s at 0.6: 12 executors by the gross 100 messages/s each, 8 by the net 150."""
    e = evaluation(allocation(2), workload_rate=700.0, capacity=100.0, backlog=0.0)
    assert Rate().propose(job(), e).executors == 12
    assert Rate().propose(job(), replace(e, net_capacity=150.0)).executors == 8


@pytest.mark.parametrize(
    ("rate", "current", "executors"),
    [
        (700.0, 4, 10),  # 700 / (0.7 · 100)
        (700.0, 7, 7),  # utilisation 1.0: on the edge of the band
        (700.0, 10, 10),
        (700.0, 17, 17),  # utilisation 0.41: within the band
        (700.0, 18, 10),  # utilisation 0.39
        (700.0, 40, 16),  # at most 60 % removed
        (0.0, 2, 1),
    ],
)
def test_rate_provides_for_the_load(rate: float, current: int, executors: int) -> None:
    e = evaluation(allocation(current), workload_rate=rate, capacity=100.0, backlog=0.0)
    assert FLINK.propose(job(), e) == allocation(executors)


def test_rate_catches_up() -> None:
    # 7,000 wait, as arrives in a trigger interval: no lag
    e = evaluation(allocation(10), workload_rate=700.0, capacity=100.0, backlog=7000.0)
    assert FLINK.propose(job(), e).executors == 10
    # 31,000: 24,000 more, 400 messages/s for a minute, four executors; 11 at full use would do, so 10 is too few
    e = evaluation(allocation(10), workload_rate=700.0, capacity=100.0, backlog=31000.0)
    assert FLINK.propose(job(), e).executors == 14
    # the trigger interval is unknown: all of the 7,000 count, 117 messages/s more
    e = evaluation(allocation(7), workload_rate=700.0, capacity=100.0, backlog=7000.0, trigger_interval=None)
    assert FLINK.propose(job(), e).executors == 12


def test_rate_does_not_ask_twice_for_pending_executors() -> None:
    e = evaluation(allocation(10), workload_rate=700.0, capacity=100.0, running=4.0, pending=6.0)
    assert FLINK.propose(job(), e).executors == 10


def test_rate_survives_a_tiny_capacity() -> None:
    e = evaluation(workload_rate=700.0, capacity=1e-308)
    assert FLINK.propose(job(), e).executors == 10_000
    with pytest.raises(ObservationMissingError, match="capacity"):
        FLINK.propose(job(), evaluation(capacity=0.0))


@pytest.mark.parametrize(("predicted", "executors"), [(1400.0, 20), (100.0, 10), (700.0, 10)])
def test_rate_ahead_provides_for_the_higher_of_load_and_prediction(predicted: float, executors: int) -> None:
    e = evaluation(allocation(10), workload_rate=700.0, capacity=100.0, predicted_rate=predicted)
    assert FLINK_AHEAD.propose(job(), e).executors == executors


def test_rate_at_full_use_provides_just_for_the_load() -> None:
    """The band ends where executors are busy all the time: beyond it only the backlog would grow."""
    full = Rate(utilization=1.0)
    observed = {"workload_rate": 700.0, "capacity": 100.0, "backlog": 0.0}
    assert full.propose(job(), evaluation(allocation(6), **observed)).executors == 7
    assert full.propose(job(), evaluation(allocation(7), **observed)).executors == 7
    assert full.propose(job(), evaluation(allocation(8), **observed)).executors == 7


@pytest.mark.parametrize("name", RULES)
def test_every_rule_names_each_missing_element(name: str) -> None:
    policy = rule(name)
    everything = dict.fromkeys(policy.needs(), 5.0)
    for needed in policy.needs():
        observation = Observation(**{**everything, needed: None})
        with pytest.raises(ObservationMissingError) as raised:
            policy.propose(job(), evaluation(observation=observation))
        assert raised.value.names == (needed,)
    policy.propose(job(), evaluation(observation=Observation(**everything)))


NUMBERS = st.floats(min_value=0, max_value=1e12)


@given(st.sampled_from(list(RULES)), st.lists(NUMBERS, min_size=10, max_size=10), st.integers(1, 100))
def test_every_rule_proposes_a_whole_number_of_executors(name: str, values: list[float], current: int) -> None:
    names = ("workload_rate", "capacity", "backlog", "cpu", "running", "pending", "predicted_rate", "trigger_interval")
    observation = Observation(**dict(zip(names, values, strict=False)))
    try:
        proposal = rule(name).propose(job(), evaluation(allocation(current), observation=observation))
    except ObservationMissingError:
        return
    assert type(proposal.executors) is int
    assert 1 <= proposal.executors <= 10_000
