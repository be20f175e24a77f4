"""Nothing beats the oracle: every sequence of allocations of a small case is played in the simulator."""

from dataclasses import dataclass

import pytest
from support_oracle import ALLOCATION, allocations, every_run, small_setting

from sparkiot_policies.allocation import Allocation, Compression, Tier
from sparkiot_policies.job import Limits
from sparkiot_sim.oracle import oracle
from sparkiot_sim.oracle.achieved import Achieved
from sparkiot_sim.profile import JobProfile
from sparkiot_sim.setting import Setting

PRICES = (0.0, 1e-4, 1e-3, 1e-2, 0.1, None)
"""Dollars of a late batch, from where it is best to do nothing to where nearly all is done against it."""
FAST_OR_CHEAP = ((Tier.HOT, Compression.NONE), (Tier.COLD, Compression.ZSTD))


@dataclass(frozen=True)
class Case:
    """gap: by how much of the bound the best sequence may exceed it at the default price; None where it says little."""

    setting: Setting
    choices: list[Allocation]
    gap: float | None = None


def limits(most: int, *, memory_mib: tuple[int, int] = (2048, 2048), choose_shuffle: bool = False) -> Limits:
    return Limits(
        max_executors=most,
        min_memory_mib=memory_mib[0],
        max_memory_mib=memory_mib[1],
        tiers=(Tier.HOT, Tier.COLD) if choose_shuffle else (Tier.WARM,),
        compressions=(Compression.NONE, Compression.ZSTD) if choose_shuffle else (Compression.LZ4,),
    )


CASES = {
    "a burst": Case(small_setting([100, 100, 300, 100, 100], limits=limits(4)), allocations([1, 2, 3, 4]), 0.15),
    "the maximum does not suffice": Case(
        small_setting([100, 600, 600, 100, 100], limits=limits(4)), allocations([1, 2, 3, 4])
    ),
    "a cold start": Case(
        small_setting([100, 100, 400, 400, 100], limits=limits(6), interval_s=30.0, preset="cloud-coldstart"),
        allocations([1, 2, 4, 6]),
    ),
    "an executor is lost": Case(
        small_setting([150, 150, 300, 150, 150], limits=limits(4), interval_s=60.0, preset="spot", seed=57),
        allocations([2, 3, 4]),
    ),
    "too little memory spills": Case(
        small_setting(
            [200] * 4,
            limits=limits(4, memory_mib=(1024, 4096)),
            profile=JobProfile(trigger_interval_s=2.0, state_mib=10.0),
            interval_s=60.0,
            target_s=4.0,
        ),
        allocations([2, 4], [1024, 2048, 4096]),
    ),
    "hot data on a fast tier": Case(
        small_setting(
            [300] * 4,
            initial=Allocation(executors=5, memory_mib=2048, tier=Tier.HOT, compression=Compression.NONE),
            limits=limits(8, choose_shuffle=True),
            profile=JobProfile(trigger_interval_s=0.5, message_bytes=400, temperature=0.9),
            target_s=1.0,
        ),
        allocations([3, 5, 7], [2048], FAST_OR_CHEAP),
        0.05,
    ),
    "much data on a cheap tier": Case(
        small_setting(
            [100] * 4,
            limits=limits(4, choose_shuffle=True),
            profile=JobProfile(trigger_interval_s=2.0, message_bytes=40_000, temperature=0.1),
            target_s=4.0,
        ),
        allocations([1, 2, 3], [2048], FAST_OR_CHEAP),
        0.3,
    ),
    "a target of four triggers": Case(
        small_setting([150, 300, 300, 150, 150], limits=limits(4), target_s=4.0), allocations([1, 2, 3, 4])
    ),
}


def attainment(run: Achieved) -> float:
    """Share of batches on time, those included that overdue rows will be."""
    on_time = round(run.slo_attainment * run.batches) if run.batches else 0
    return on_time / max(on_time + run.late_batches, 1)


@pytest.mark.parametrize("name", CASES)
def test_no_sequence_of_allocations_beats_it(name: str) -> None:
    case = CASES[name]
    runs = list(every_run(case.setting, case.choices))
    assert len(runs) == len(case.choices) ** (len(case.setting.workload.rates) - 1)
    for price in PRICES:
        bound = oracle(case.setting, price_per_late_batch=price)
        for taken, run in runs:
            value = run.cost_dollars + bound.price_per_late_batch * run.late_batches
            assert value >= bound.value - 1e-12, (price, taken, run, bound)
            if attainment(run) >= bound.slo_attainment:
                assert run.cost_dollars >= bound.cost_dollars - 1e-12, (price, taken, run, bound)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.gap is not None])
def test_the_best_sequence_comes_near_it(name: str) -> None:
    case = CASES[name]
    bound = oracle(case.setting)
    best = min(
        run.cost_dollars + bound.price_per_late_batch * run.late_batches
        for _, run in every_run(case.setting, case.choices)
    )
    assert case.gap is not None
    assert best <= (1 + case.gap) * bound.value


def test_the_lossy_case_loses_an_executor() -> None:
    simulated = CASES["an executor is lost"].setting.simulated()
    simulated.advance(simulated.now + 300)
    assert simulated.measure().lost_executors > 0
    assert simulated.allocation == ALLOCATION
