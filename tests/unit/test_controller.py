"""One job's decisions in sequence."""

from dataclasses import replace

import pytest
from support_jobs import NOW, Scripted, allocation, history, job, measurement

from sparkiot_policies.controller import Controller, relief_mib
from sparkiot_policies.decision import ClampCode, Reason
from sparkiot_policies.job import Job, Mode
from sparkiot_policies.rules import HPA, Rate
from sparkiot_policies.rules.horizontal import kubernetes_limits


def controller(j: Job, *proposals: object) -> Controller:
    return Controller(j, policy=Scripted(*proposals), fallback=Rate(), history=history(since=NOW - 1e4))


def test_accepting_moves_the_allocation_that_the_next_step_starts_from() -> None:
    c = controller(job(), allocation(6))
    e, first = c.step(measurement(NOW), signal=None, now=NOW)
    c.accept(e, first)
    _, second = c.step(measurement(NOW + 10), signal=None, now=NOW + 10)
    assert (first.previous, first.allocation) == (allocation(4), allocation(6))
    assert (second.previous, second.reason) == (allocation(6), Reason.STEADY)


def test_an_advised_job_stays_where_it_is() -> None:
    c = controller(job(mode=Mode.ADVISE), allocation(6))
    for step in range(3):
        e, decision = c.step(measurement(NOW + 10 * step), signal=None, now=NOW + 10 * step)
        c.accept(e, decision)
        assert (decision.previous, decision.allocation) == (allocation(4), allocation(6))
    assert [p.executors for p in c.history.proposals] == [6, 6, 6]


def test_a_job_that_was_never_observed_is_held() -> None:
    c = controller(job(), allocation(9))
    evaluation, decision = c.step(None, signal=None, now=NOW)
    assert evaluation.age_s == float("inf")
    assert (decision.allocation, decision.reason) == (allocation(4), Reason.HELD)
    assert [x.code for x in decision.clamps] == [ClampCode.STALE_OBSERVATION]


def test_a_job_that_is_no_longer_observed_is_held_once_it_is_stale() -> None:
    c = controller(job(), allocation(9))
    c.step(measurement(NOW), signal=None, now=NOW)
    assert c.step(None, signal=None, now=NOW + 60)[1].allocation == allocation(9)
    assert c.step(None, signal=None, now=NOW + 61)[1].allocation == allocation(4)


def test_an_edit_of_the_windows_takes_effect() -> None:
    c = controller(job(metrics_window_s=120.0), allocation(4))
    for step in range(12):
        c.step(measurement(NOW + 10 * step, rate=100.0 + step), signal=None, now=NOW + 10 * step)
    assert len(c.window.rates()) == 12
    c.job = replace(c.job, metrics_window_s=30.0)
    c.step(measurement(NOW + 120), signal=None, now=NOW + 120)
    assert len(c.window.rates()) == 4


def test_hpa_stabilises_as_kubernetes_does() -> None:
    """CPU at 80 % asks for 8 until t = 100 s, then 40 % asks for half: it comes 300 s after the last higher one."""
    j = job(interval_s=15.0)
    j = replace(j, limits=kubernetes_limits(j.limits))
    c = Controller(j, policy=HPA(), fallback=Rate(), history=history(allocation(8), since=NOW - 1e4))
    counts = {}
    for t in range(0, 600, 15):
        running = c.history.allocation.executors
        cpu = 80.0 if t <= 100 else 40.0 * 8 / running
        m = measurement(NOW + t, cpu=cpu, running=running, pending=0)
        e, decision = c.step(m, signal=None, now=NOW + t)
        c.accept(e, decision)
        counts[t] = decision.allocation.executors
    assert {counts[t] for t in range(0, 390, 15)} == {8}
    assert {counts[t] for t in range(390, 600, 15)} == {4}


def test_running_out_of_memory_raises_the_least_memory_for_good() -> None:
    c = controller(job(), allocation())
    _, decision = c.step(measurement(NOW, out_of_memory=1, applied=allocation(gib=2)), signal=None, now=NOW)
    assert decision.allocation.memory_mib == 3 * 1024
    assert ClampCode.MIN_MEMORY in [clamp.code for clamp in decision.clamps]
    c.raise_memory_floor(1024)
    assert c.memory_floor_mib == 3 * 1024
    # An edit of the spec does not forget it.
    c.job = job(min_memory_mib=1024)
    assert c.job.limits.min_memory_mib == 3 * 1024


def test_the_memory_floor_stays_within_the_jobs_maximum() -> None:
    c = controller(job(max_memory_mib=2048), allocation())
    c.raise_memory_floor(8192)
    assert (c.memory_floor_mib, c.job.limits.min_memory_mib) == (2048, 2048)


@pytest.mark.parametrize(("had", "gets"), [(512, 1024), (1024, 2048), (2048, 3072), (3072, 5120), (4096, 6144)])
def test_relief_is_half_as_much_again_in_whole_gib(had: int, gets: int) -> None:
    assert relief_mib(had) == gets
