"""Whole episodes in virtual time, through the controller that decides for live jobs."""

from dataclasses import replace

import numpy as np
import pytest
from support_cluster import START, allocation, load

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.decision import PolicyIdentity
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import Job, Limits, Mode
from sparkiot_sim.episode import Episode, run_episode
from sparkiot_sim.profile import JobProfile
from sparkiot_sim.simulated import SimulatedJob

LOOSE = Limits(stabilization_s=0, cooldown_down_s=0, cooldown_shuffle_s=0)


class Alternating:
    """A policy that wants six executors from one minute to the next, then three, whatever it sees."""

    identity = PolicyIdentity("alternating")

    def needs(self) -> tuple[str, ...]:
        return ()

    def unfamiliar(self, evaluation: Evaluation) -> tuple[str, ...]:
        return ()

    def propose(self, job: Job, evaluation: Evaluation) -> Allocation:
        count = 6 if (evaluation.now - START) % 120 < 60 else 3
        return replace(evaluation.history.allocation, executors=count)


def episode(*, mode: Mode = Mode.ACTIVE, duration_s: float = 600.0, start: float = START) -> Episode:
    job = Job(name="test", initial=allocation(), mode=mode, limits=LOOSE, interval_s=10)
    simulated = SimulatedJob(
        profile=JobProfile(), workload=load([200.0]), edge=None, allocation=job.initial, start=START, seed=1
    )
    policy = Alternating()
    return run_episode(job=job, simulated=simulated, policy=policy, fallback=policy, duration_s=duration_s, start=start)


def test_every_interval_is_a_cycle_with_its_time() -> None:
    columns = episode().columns()
    assert {len(column) for column in columns.values()} == {60}
    assert columns["time"].tolist() == [START + 10 * n for n in range(1, 61)]
    assert set(columns["wanted"]) == {3.0, 6.0}
    assert np.isfinite(columns["rate"]).all()


def test_the_summary_counts_the_batches_of_all_cycles() -> None:
    run = episode()
    latencies = [b.latency_ms for cycle in run.cycles for b in cycle.measurement.batches]
    summary = run.summary
    assert summary.batches == len(latencies) > 1000
    assert summary.slo_attainment == sum(latency <= 1000 for latency in latencies) / len(latencies)
    assert summary.violations_percent == pytest.approx(100 * (1 - summary.slo_attainment))
    assert summary.latency_p50_ms <= summary.latency_p95_ms <= summary.latency_p99_ms
    assert summary.latency_p95_ms in latencies
    assert summary.scalings == 11
    assert summary.restarts == 0


def test_cost_is_the_bill_over_time() -> None:
    run = episode()
    assert 3 * 0.2 / 6 < run.summary.cost_dollars < 6 * 0.2 / 6 * 1.1


def test_advice_changes_nothing() -> None:
    columns, summary = episode(mode=Mode.ADVISE).columns(), episode(mode=Mode.ADVISE).summary
    assert set(columns["running"]) == {4.0}
    assert summary.scalings == 0


def test_the_same_arguments_give_the_same_episode() -> None:
    first, again = episode().columns(), episode().columns()
    for name, column in first.items():
        np.testing.assert_array_equal(column, again[name], err_msg=name)


def test_an_episode_shorter_than_an_interval_has_no_cycles() -> None:
    run = episode(duration_s=5)
    assert run.columns() == {}
    assert np.isnan(run.summary.slo_attainment)


def test_the_job_must_stand_at_the_start() -> None:
    with pytest.raises(ValueError, match="stands at"):
        episode(start=START + 5)
