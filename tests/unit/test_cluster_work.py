"""How long a batch takes: hand-computed, and monotone in everything that ought to be."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_cluster import allocation

from sparkiot_policies.allocation import COMPRESSIONS, TIERS, Allocation, Compression, Tier
from sparkiot_sim.calibration import calibration_with
from sparkiot_sim.profile import JobProfile
from sparkiot_sim.work import BatchWork, WorkModel

CALIBRATION = calibration_with("edge-small")
PROFILE = JobProfile(rate_per_executor=100, message_bytes=1e6, shuffle_fraction=0.5, state_mib=0)


def batch(given: Allocation, profile: JobProfile = PROFILE, **changes: float) -> BatchWork:
    values = {"rows": 100.0, "state_mib": 0.0, "temperature": 0.0} | changes
    model = WorkModel(profile=profile, calibration=CALIBRATION, allocation=given)
    return model.batch(executors=given.executors, **values)


def test_duration_by_hand() -> None:
    """100 rows at 100/s on one executor: 0.1 s fixed, 1 s of work, and 50 MB raw, written and read once on WARM."""
    work = batch(allocation(1, memory_mib=8192, compression=Compression.NONE))
    assert work.duration_s == pytest.approx(0.1 + 1.0 + 2 * (0.020 + 50 / 400))
    assert work.cpu_s == pytest.approx(1.0)
    assert work.shuffle_gib == pytest.approx(50e6 / 2**30)


def test_scaling_is_imperfect_as_calibrated() -> None:
    no_shuffle = replace(PROFILE, shuffle_fraction=0.0)
    alone, ten = batch(allocation(1, memory_mib=8192), no_shuffle), batch(allocation(10, memory_mib=8192), no_shuffle)
    assert (alone.duration_s - 0.1) / (ten.duration_s - 0.1) == pytest.approx(10**0.95)


def test_a_working_set_beyond_memory_spills_and_far_beyond_it_kills() -> None:
    """2 GiB leave (2048 - 300) x 0.6 = 1048.8 MiB."""
    small = replace(PROFILE, message_bytes=1.0)
    fits, spills, killed = (batch(allocation(1), small, state_mib=mib) for mib in (1000.0, 1573.2, 2200.0))
    assert fits.duration_s == pytest.approx(0.1 + 1.0 + 0.04, rel=1e-3)
    assert spills.duration_s == pytest.approx(0.1 + 1.0 * (1 + 1.5 * 0.5) + 0.04, rel=1e-3)
    assert not spills.out_of_memory
    assert killed.out_of_memory
    assert killed.duration_s == pytest.approx(0.1 + 1.5 * 2.5 + 0.04, rel=1e-3)


def test_data_that_is_read_again_costs_another_pass() -> None:
    cold, hot = (batch(allocation(1, memory_mib=8192), temperature=t).duration_s for t in (0.0, 1.0))
    assert hot - cold == pytest.approx(0.020 + 30 / 400)


def test_faster_tiers_are_faster_for_small_shuffles() -> None:
    durations = [batch(allocation(4, tier=tier), rows=1.0).duration_s for tier in TIERS]
    assert durations == sorted(durations)


def test_heavier_compression_stores_less_and_computes_more() -> None:
    works = [batch(allocation(4, compression=compression)) for compression in COMPRESSIONS]
    assert [w.shuffle_gib for w in works] == sorted((w.shuffle_gib for w in works), reverse=True)
    assert [w.cpu_s for w in works] == sorted(w.cpu_s for w in works)


@given(
    executors=st.integers(1, 40),
    memory=st.sampled_from([1024, 2048, 8192]),
    tier=st.sampled_from(Tier),
    rows=st.floats(1, 1e6),
    state=st.floats(0, 1e5),
    temperature=st.floats(0, 1),
)
def test_more_executors_or_memory_are_never_slower_and_more_rows_never_faster(
    *, executors: int, memory: int, tier: Tier, rows: float, state: float, temperature: float
) -> None:
    profile = replace(PROFILE, message_bytes=5000.0)
    given = allocation(executors, memory_mib=memory, tier=tier)

    def duration(changed: Allocation, messages: float = rows) -> float:
        return batch(changed, profile, rows=messages, state_mib=state, temperature=temperature).duration_s

    base = duration(given)
    assert duration(replace(given, executors=executors + 1)) <= base
    assert duration(replace(given, memory_mib=2 * memory)) <= base
    assert duration(given, 1.1 * rows) >= base
