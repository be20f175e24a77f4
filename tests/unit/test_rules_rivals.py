"""KEDA, DynamicAllocation and Slots on examples that can be worked out by hand."""

import pytest
from support_jobs import NOW, allocation, evaluation, job

from sparkiot_policies.allocation import Compression, Tier
from sparkiot_policies.errors import ObservationMissingError
from sparkiot_policies.job import Limits
from sparkiot_policies.rules import KEDA, DynamicAllocation, Fixed, Rate, Rule, Slots


def executors(rule: Rule, current: int, *, interval_s: float = 10.0, **observed: object) -> int:
    return rule.propose(job(interval_s=interval_s), evaluation(allocation(current), **observed)).executors


@pytest.mark.parametrize("rule", [KEDA(), DynamicAllocation(), Slots()], ids=lambda rule: rule.NAME)
def test_memory_tier_and_compression_stay_the_initial_ones(rule: Rule) -> None:
    observed = {"capacity": 100.0, "batch_duration": 1.0, "running": 4.0}
    e = evaluation(allocation(4, gib=8, tier=Tier.HOT, compression=Compression.ZSTD), **observed)
    proposal = rule.propose(job(), e)
    assert proposal == allocation(proposal.executors)


@pytest.mark.parametrize(
    ("lag", "expected"),
    [
        (400.0, 4),  # on target
        (430.0, 4),  # 1.075 of it: within 10 %
        (450.0, 5),  # 1.125: ceil(4.5)
        (370.0, 4),  # 0.925
        (350.0, 4),  # 0.875: ceil(3.5)
        (300.0, 3),
        (1.0, 1),
        (0.0, 1),  # never zero
        (1e4, 8),  # 100, but at most doubled at once
    ],
)
def test_keda_asks_for_lag_over_threshold(lag: float, expected: int) -> None:
    assert executors(KEDA(lag=100), 4, backlog=lag) == expected


def test_keda_counts_executors_that_are_not_ready() -> None:
    """GetExternalPerPodMetricReplicas divides by all replicas: 600 over 6 is on target, though only 2 run."""
    assert executors(KEDA(lag=100), 6, backlog=600.0, running=2.0, pending=4.0) == 6


def test_keda_is_idle_up_to_its_activation() -> None:
    assert executors(KEDA(lag=100, activation=500), 4, backlog=500.0) == 1
    assert executors(KEDA(lag=100, activation=500), 4, backlog=501.0) == 6


def test_keda_scales_up_once_a_period() -> None:
    def after(seconds: float) -> int:
        return executors(KEDA(lag=100), 4, interval_s=5.0, backlog=800.0, scaled_up=NOW - seconds)

    assert (after(5), after(10), after(15)) == (4, 4, 8)


def test_keda_survives_a_tiny_threshold() -> None:
    assert executors(KEDA(lag=1e-308, up_pods=10**6), 4, backlog=1e12) == 10_000


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        (1.0, 4),  # 200 tasks on 4 slots: 50 waves, tasks wait for 49 of them, 0.98 s
        (1.05, 5),  # 1.03 s: one
        (2.1, 7),  # 2.06 s: one and two
        (3.1, 11),  # 3.04 s: 1 + 2 + 4
        (4.1, 19),  # 4.02 s: 1 + 2 + 4 + 8
        (60.0, 200),  # no more than there are tasks
    ],
)
def test_dynamic_allocation_ramps_up_by_doubling(duration: float, expected: int) -> None:
    assert executors(DynamicAllocation(), 4, batch_duration=duration, running=4.0) == expected


def test_dynamic_allocation_sees_the_batch_that_the_backlog_will_make() -> None:
    """16.8 executor-seconds wait: 4.2 s on four executors, of which tasks wait for 4.1 s."""
    assert executors(DynamicAllocation(), 4, batch_duration=0.5, running=4.0, backlog=1680.0, backlog_work=16.8) == 19


def test_dynamic_allocation_ramps_from_what_is_registered() -> None:
    """Those on their way were asked for by an earlier batch: 4 + 1 + 2 is less than the 10 that are wanted already."""
    assert executors(DynamicAllocation(), 10, batch_duration=2.1, running=4.0, pending=6.0) == 10
    assert executors(DynamicAllocation(), 10, batch_duration=4.1, running=4.0, pending=6.0) == 19
    assert executors(DynamicAllocation(), 1, batch_duration=3.1, running=0.0, pending=1.0) == 8


def test_dynamic_allocation_knows_how_many_executors_tasks_can_use() -> None:
    eight = DynamicAllocation(tasks=8, cores=2)
    # two waves on two executors with two slots each: tasks wait for 5 of 10 s, 31 more, but four have a slot for all
    assert executors(eight, 2, batch_duration=10.0, running=2.0) == 4
    assert executors(DynamicAllocation(tasks=8, cores=2, ratio=0.75), 2, batch_duration=10.0, running=2.0) == 3
    # one wave: no task waits, and of ten executors six get none
    assert executors(eight, 10, batch_duration=10.0, running=10.0) == 4


def test_dynamic_allocation_ramps_once_a_batch() -> None:
    def after(seconds: float) -> int:
        slow = {"batch_duration": 3.1, "trigger_interval": 60.0, "running": 4.0}
        return executors(DynamicAllocation(), 4, scaled_up=NOW - seconds, **slow)

    assert (after(10), after(50), after(60)) == (4, 4, 11)


def test_dynamic_allocation_gives_up_what_idles() -> None:
    idle = {"workload_rate": 0.0, "backlog": 0.0, "batch_duration": 0.1, "running": 4.0}
    assert executors(DynamicAllocation(), 4, **idle) == 1
    assert executors(DynamicAllocation(min_executors=3), 4, **idle) == 3
    # a batch each 10 s keeps every executor, however short it is; one each 100 s does not
    assert executors(DynamicAllocation(), 4, batch_duration=0.1, running=4.0) == 4
    assert executors(DynamicAllocation(), 4, batch_duration=0.1, running=4.0, trigger_interval=100.0) == 1


@pytest.mark.parametrize(
    ("rate", "backlog", "expected"),
    [
        (300.0, 0.0, 4),  # 3 busy slots over 0.75
        (330.0, 0.0, 5),  # 4.4
        (75.0, 0.0, 1),
        (0.0, 0.0, 1),
        (1000.0, 10_000.0, 6),  # all 4 busy; a trigger interval's arrivals are no queue: 5.33
        (1000.0, 25_000.0, 7),  # 150 executor-seconds queue, to be cleared in 150 s: (4 + 1) / 0.75
    ],
)
def test_slots_provides_for_busy_slots_and_the_queue(rate: float, backlog: float, expected: int) -> None:
    assert executors(Slots(), 4, workload_rate=rate, backlog=backlog, capacity=100.0, running=4.0) == expected


def test_slots_takes_the_capacity_beside_the_fixed_cost_where_it_is_known() -> None:
    e = evaluation(allocation(4), workload_rate=300.0, capacity=100.0, backlog=0.0, running=4.0, net_capacity=200.0)
    assert Slots().propose(job(), e).executors == 2


def test_slots_without_a_slot_or_a_capacity_cannot_say() -> None:
    with pytest.raises(ObservationMissingError, match="running"):
        Slots().propose(job(), evaluation(capacity=100.0, running=0.0))
    with pytest.raises(ObservationMissingError, match="capacity"):
        Slots().propose(job(), evaluation(capacity=0.0, running=4.0))


def test_each_rule_keeps_the_pace_of_its_own_platform() -> None:
    own = Limits(min_executors=2, max_executors=21)
    assert [rule.limits(own).stabilization_s for rule in (KEDA(), DynamicAllocation(), Slots())] == [300.0, 60.0, 40.0]
    assert DynamicAllocation(idle_timeout_s=90).limits(own).stabilization_s == 90.0
    assert Slots().limits(own).max_up_step == 10, "from 2 to 21 in two steps"
    assert Slots().limits(Limits(min_executors=3, max_executors=3)).max_up_step == 1
    assert KEDA().limits(own).max_up_step == 21
    for rule in (Rate(), Fixed()):
        assert rule.limits(own) == own
