"""Replay: the policy that decided decides the same again; another one differs where it should."""

from pathlib import Path

import pytest

from sparkiot_operator.audit import AuditLog, AuditRecord, read_audit
from sparkiot_operator.events import JobRef
from sparkiot_operator.offline import load_job, load_workload, play
from sparkiot_operator.replay import replay
from sparkiot_policies.rules import Fixed, rule

HEALTHCARE = Path(__file__).parents[2] / "operator" / "sparkiot_operator" / "examples" / "healthcare.yaml"
REF = JobRef("iot", "healthcare", "uid-1")


@pytest.fixture(scope="module", params=["HPA", "Rate", "RateAhead"])
def records(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[AuditRecord]:
    """Three hours of decisions with a burst in them, through the log and back."""
    job = load_job(HEALTHCARE)
    load = load_workload(job, trace=None, mean_rate=None)
    run = play(job, load, policy=request.param, duration_s=3 * 3600, origin=0.0)
    folder = tmp_path_factory.mktemp("audit")
    log = AuditLog(folder, max_bytes=100_000, files=50)
    for cycle in run.episode.cycles:
        log.write(AuditRecord(REF, 1, run.job.job, cycle.evaluation, cycle.decision))
    log.close()
    read = list(read_audit([folder]))
    assert [r.decision for r in read] == [c.decision for c in run.episode.cycles], "the log keeps every decision"
    return read


def test_the_same_policy_decides_the_same(records: list[AuditRecord]) -> None:
    name = records[0].decision.policy.name
    results = list(replay(records, rule(name), fallback=rule(name), meta=None))
    assert [r.replayed for r in results] == [r.decision for r in records]
    assert not any(r.differs for r in results)


def test_another_policy_differs_and_stays_in_bounds(records: list[AuditRecord]) -> None:
    results = list(replay(records, rule("Fixed"), fallback=rule("Rate"), meta=None))
    limits = records[0].job.limits
    assert any(r.differs for r in results)
    assert all(limits.min_executors <= r.replayed.allocation.executors <= limits.max_executors for r in results)
    assert all(r.replayed.policy.name == "Fixed" for r in results)


def test_stabilisation_looks_back_on_the_replayed_policys_own_proposals(records: list[AuditRecord]) -> None:
    """With one executor always proposed, what another policy once proposed must not hold the scale up."""
    last = list(replay(records, Fixed(executors=1), fallback=rule("Rate"), meta=None))[-1]
    assert "Stabilizing" not in {clamp.code.value for clamp in last.replayed.clamps}
