"""The oracle: its batch durations are the simulator's, its sums can be done by hand, and no policy comes below it."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_oracle import ALLOCATION, small_setting

from sparkiot_policies.allocation import COMPRESSIONS, TIERS, Allocation, Compression, Tier
from sparkiot_policies.job import Limits, Prices
from sparkiot_policies.rules import rule
from sparkiot_sim.calibration import calibration_with
from sparkiot_sim.episode import run_episode
from sparkiot_sim.generators import Kind
from sparkiot_sim.oracle import Bound, oracle
from sparkiot_sim.oracle.achieved import achieved, overdue_batches, play
from sparkiot_sim.oracle.durations import Durations, shuffles
from sparkiot_sim.profile import JobProfile
from sparkiot_sim.setting import Setting, standard_setting
from sparkiot_sim.work import WorkModel

PLAIN = JobProfile(trigger_interval_s=1.0, shuffle_fraction=0.0, state_mib=0.0)
"""One executor works off 100 messages/s; a batch takes 0.1 s and no shuffle."""
ONE_SIZE = Limits(min_memory_mib=2048, max_memory_mib=2048)
HOURLY = 0.2
"""$/h of an executor with 2 GiB."""
PAIRS = [(Kind.SMART_CITY, "edge-small"), (Kind.HEALTHCARE, "cloud-coldstart"), (Kind.INDUSTRIAL, "spot")]


@given(
    rows=st.floats(0, 20_000),
    state_mib=st.floats(0, 30_000),
    temperature=st.floats(0, 1),
    size=st.tuples(st.integers(1, 20), st.integers(512, 8192)),
    shuffle=st.tuples(st.floats(10, 1e5), st.sampled_from((0.0, 0.3, 2.0))),
)
@settings(max_examples=100, deadline=None)
def test_durations_are_those_of_the_simulator(
    *, rows: float, state_mib: float, temperature: float, size: tuple[int, int], shuffle: tuple[float, float]
) -> None:
    (executors, memory_mib), (message_bytes, shuffle_fraction) = size, shuffle
    profile = JobProfile(message_bytes=message_bytes, shuffle_fraction=shuffle_fraction)
    calibration = calibration_with("edge-small")
    ways = shuffles(profile=profile, calibration=calibration, prices=Prices(), tiers=TIERS, compressions=COMPRESSIONS)
    durations = Durations(
        profile=profile, calibration=calibration, shuffle=ways, memory_mib=np.array([float(memory_mib)])
    )
    slowdown = durations.slowdown(rows=rows, state_mib=state_mib, executors=executors)
    per_row = durations.row_s(executors=executors, temperature=temperature, slowdown=slowdown)
    fixed = durations.fixed_s(temperature) if rows > 0 else calibration.batch.fixed_s.value
    together = np.broadcast_to(fixed + rows * per_row, (1, len(ways.tiers)))[0]
    for way, duration in enumerate(together.tolist()):
        allocation = Allocation(
            executors=executors, memory_mib=memory_mib, tier=ways.tiers[way], compression=ways.compressions[way]
        )
        work = WorkModel(profile=profile, calibration=calibration, allocation=allocation).batch(
            rows=rows, state_mib=state_mib, executors=executors, temperature=temperature
        )
        assert duration == pytest.approx(work.duration_s, rel=1e-12)
        assert rows * ways.row_dollars[way] == pytest.approx(
            work.shuffle_gib * Prices().shuffle_gib[allocation.tier], rel=1e-12
        )


def test_a_constant_load_costs_the_executors_that_a_batch_needs() -> None:
    # 0.1 s + 300 rows / 100 rows/s / n^0.95 within the trigger's second: 1.16 s with 3 executors, 0.90 s with 4.
    setting = small_setting([300] * 6, initial=replace(ALLOCATION, executors=4), limits=ONE_SIZE, profile=PLAIN)
    bound = oracle(setting)
    assert bound.executors.tolist() == [4] * 6
    assert bound.cost_dollars == pytest.approx(4 * HOURLY * 60 / 3600)
    assert (bound.slo_attainment, bound.late_batches) == (1.0, 0.0)
    assert achieved(setting, bound).cost_dollars == pytest.approx(bound.cost_dollars)
    assert achieved(setting, bound).late_batches == 0


def test_executors_stay_through_a_gap_that_is_shorter_than_their_startup() -> None:
    # 2 executors for 100 messages/s, 4 for 300. A startup of 40 s at the least takes one interval of 30 s and a part,
    # so that letting two go costs 4 s of each to leave and 30 s to come back, and keeping them 30 s.
    rates = [100, 100, 100, 300, 100, 300, 100]
    setting = small_setting(rates, limits=ONE_SIZE, profile=PLAIN, interval_s=30.0, preset="cloud-coldstart")
    assert oracle(setting).executors.tolist() == [2, 2, 4, 4, 4, 4, 2]
    # One that takes 8 s is back within the interval: only leaving costs, 4 s of each.
    setting = replace(setting, preset="edge-small")
    assert oracle(setting).executors.tolist() == [2, 2, 4, 4, 4, 4, 2]


def test_lateness_is_counted_where_no_executors_suffice() -> None:
    limits = replace(ONE_SIZE, max_executors=3)
    setting = small_setting([100, 100, 100, 1000, 1000, 1000, 1000], limits=limits, profile=PLAIN)
    bound = oracle(setting, price_per_late_batch=10.0)
    assert bound.slo_attainment < 1
    assert bound.late.tolist()[:3] == [False] * 3
    assert bound.late[3:].all()


def test_a_price_of_nothing_buys_nothing() -> None:
    setting = small_setting([300] * 6, limits=ONE_SIZE, profile=PLAIN)
    assert oracle(setting, price_per_late_batch=0.0).executors.tolist() == [2, 1, 1, 1, 1, 1]


def test_a_higher_price_never_makes_it_cheaper() -> None:
    setting = standard_setting(Kind.SMART_CITY, seed=5, mean_rate=900, duration_s=3600)
    bounds = [oracle(setting, price_per_late_batch=price) for price in (0.0, 0.001, 0.01, 0.1, 1.0)]
    assert all(a.cost_dollars <= b.cost_dollars + 1e-9 for a, b in pairwise(bounds))
    assert all(a.late_batches >= b.late_batches - 1e-9 for a, b in pairwise(bounds))


def test_memory_is_changed_once_where_it_pays() -> None:
    # Nothing needs more than 1 GiB: 0.15 $/h instead of 0.3 for each of three executors.
    profile = replace(PLAIN, message_bytes=100.0)
    initial = replace(ALLOCATION, executors=4, memory_mib=4096)
    setting = small_setting([250] * 24, initial=initial, limits=Limits(), profile=profile, interval_s=600.0)
    bound = oracle(setting)
    assert bound.memory_mib.tolist() == [4096] + [1024] * 23
    # Of a restart it knows the least only: that the ten minutes in which it falls, and some after, may be late.
    assert not bound.late[0]
    assert not bound.late[3:].any()
    assert bound.executors[3:].tolist() == [3] * 21
    short = replace(setting, duration_s=1800.0)
    assert set(oracle(short).memory_mib.tolist()) == {4096}


@pytest.mark.parametrize(
    ("profile", "target_s", "tier"),
    [
        # Five round trips of 20 ms and more are what a batch of half a second cannot spare.
        (JobProfile(message_bytes=400, temperature=0.9), 1.0, Tier.HOT),
        # 40 KB a message at 0.10 $/GiB are dearer than the round trips of a batch of five seconds.
        (JobProfile(message_bytes=40_000, temperature=0.1, trigger_interval_s=5.0), 10.0, Tier.COLD),
    ],
)
def test_the_tier_follows_temperature_and_price(profile: JobProfile, target_s: float, tier: Tier) -> None:
    setting = small_setting([320] * 12, limits=Limits(), profile=profile, target_s=target_s)
    setting = replace(setting, job=replace(setting.job, initial=replace(ALLOCATION, executors=8)))
    chosen = oracle(setting).tier[1:]
    assert (chosen == tier.code).mean() > 0.5


@pytest.mark.parametrize(("kind", "preset"), PAIRS)
def test_its_schedule_can_nearly_be_played(kind: Kind, preset: str) -> None:
    setting = standard_setting(kind, seed=1001, preset=preset, duration_s=3600.0)
    bound = oracle(setting)
    run = achieved(setting, bound, hold_s=10.0)
    assert bound.cost_dollars <= run.cost_dollars <= 1.1 * bound.cost_dollars
    assert run.slo_attainment > bound.slo_attainment - 0.04


@pytest.mark.parametrize("name", ["Rate", "RateAhead", "HPA", "Fixed"])
@pytest.mark.parametrize(("kind", "preset"), PAIRS)
def test_no_rule_beats_it(kind: Kind, preset: str, name: str) -> None:
    setting = standard_setting(kind, seed=7, preset=preset, duration_s=3600.0)
    simulated = setting.simulated()
    summary = run_episode(
        job=setting.job,
        simulated=simulated,
        policy=rule(name),
        fallback=rule("Rate"),
        duration_s=setting.duration_s,
        start=setting.start,
    ).summary
    late = round((1 - summary.slo_attainment) * summary.batches) + overdue_batches(setting, simulated)
    for price in (1e-4, 1e-3, None):
        bound = oracle(setting, price_per_late_batch=price)
        assert summary.cost_dollars + bound.price_per_late_batch * late >= bound.value


@st.composite
def episodes(draw: st.DrawFn) -> tuple[Setting, list[Allocation]]:
    """A small episode of a random job, and allocations for each of its decisions."""
    trigger = draw(st.sampled_from((0.5, 1.0, 2.0, 5.0)))
    memories = (1024, 2048, 4096)
    sizes = st.builds(
        Allocation,
        executors=st.integers(1, 6),
        memory_mib=st.sampled_from(memories),
        tier=st.sampled_from(TIERS[:3]),
        compression=st.sampled_from(COMPRESSIONS),
    )
    taken = draw(st.lists(sizes, min_size=3, max_size=8))
    if draw(st.booleans()):
        taken = [replace(a, memory_mib=taken[0].memory_mib) for a in taken]
    rate = st.floats(1, 800)
    setting = small_setting(
        draw(st.lists(rate, min_size=len(taken), max_size=len(taken))),
        limits=Limits(max_executors=6, max_memory_mib=4096),
        initial=taken[0],
        profile=JobProfile(
            message_bytes=draw(st.floats(100, 40_000)),
            shuffle_fraction=draw(st.sampled_from((0.0, 0.3))),
            state_mib=draw(st.floats(0, 10)),
            temperature=draw(st.floats(0, 1)),
            trigger_interval_s=trigger,
            most_rows=draw(st.sampled_from((None, 2_000.0, 10_000.0))),
        ),
        interval_s=draw(st.sampled_from((10.0, 30.0, 60.0))),
        target_s=trigger * draw(st.sampled_from((1.7, 2.0, 3.0))),
        preset=draw(st.sampled_from(("edge-small", "cloud-coldstart", "spot"))),
        seed=draw(st.integers(0, 5)),
    )
    return setting, taken


@given(episode=episodes(), price=st.sampled_from((0.0, 1e-4, 1e-2, None)))
@settings(max_examples=50, deadline=None)
def test_no_random_run_of_a_random_job_beats_it(episode: tuple[Setting, list[Allocation]], price: float | None) -> None:
    setting, taken = episode
    bound, run = oracle(setting, price_per_late_batch=price), play(setting, taken)
    assert run.cost_dollars + bound.price_per_late_batch * run.late_batches >= bound.value - 1e-12


def test_columns_have_one_element_an_interval_and_only_allowed_values() -> None:
    setting = standard_setting(Kind.INDUSTRIAL, seed=3, duration_s=1800.0)
    bound: Bound = oracle(setting)
    columns = (bound.time, bound.executors, bound.memory_mib, bound.tier, bound.compression, bound.late)
    assert {column.shape for column in columns} == {(180,)}
    assert bound.time.tolist() == [setting.start + 10.0 * k for k in range(180)]
    limits = setting.job.limits
    assert limits.min_executors <= bound.executors[1:].min() <= bound.executors[1:].max() <= limits.max_executors
    assert set(bound.tier[1:].tolist()) <= {tier.code for tier in limits.tiers}
    assert set(bound.compression[1:].tolist()) <= {Compression.NONE.code, Compression.LZ4.code, Compression.ZSTD.code}


def test_it_refuses_what_it_cannot_answer() -> None:
    setting = small_setting([100] * 3, limits=ONE_SIZE)
    with pytest.raises(ValueError, match="price_per_late_batch is -1, must not be negative"):
        oracle(setting, price_per_late_batch=-1)
    with pytest.raises(ValueError, match="no decision every 10 s"):
        oracle(replace(setting, duration_s=9.0))
