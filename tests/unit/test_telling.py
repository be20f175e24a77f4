"""Decisions of a log told afterwards: as the operator told them, and element by element."""

from dataclasses import replace
from pathlib import Path

import pytest
from support_policies import policy_artifact
from support_recorded import simulated_looks

from sparkiot_operator.audit import AuditLog, AuditRecord, read_audit
from sparkiot_operator.events import JobRef
from sparkiot_operator.explanation import Explainer
from sparkiot_operator.telling import Teller, policies_of
from sparkiot_policies.decision import PolicyIdentity
from sparkiot_policies.rules import rule

AHEAD, RATE = rule("RateAhead"), rule("Rate")


@pytest.fixture(scope="module")
def records() -> list[AuditRecord]:
    """Two hours under RateAhead, explained as the operator does it."""
    explainer = Explainer()
    return [
        AuditRecord(JobRef("iot", "pumps", "uid"), 1, *looked, why=explainer.step(*looked, policy=AHEAD, fallback=RATE))
        for looked in simulated_looks(2.0, policy="RateAhead")
    ]


def test_a_log_keeps_the_sentence_of_what_changed_something(records: list[AuditRecord], tmp_path: Path) -> None:
    log = AuditLog(tmp_path, max_bytes=10**8, files=1)
    for record in records:
        log.write(record)
    log.close()
    assert list(read_audit([tmp_path])) == records
    for record in records:
        assert bool(record.why) == (record.decision.allocation != record.decision.previous)


def test_told_afterwards_as_it_was_told_then(records: list[AuditRecord]) -> None:
    forgotten = [replace(record, why="") for record in records]
    told = Teller(policies_of(None), fallback=RATE).last(forgotten, most=5, changes=True)
    then = [record for record in records if record.why][-5:]
    assert [each.sentence for each in told] == [record.why for record in then]
    for each in told:
        attribution = each.explanation.attribution
        assert attribution is not None
        moved = attribution.after[0] - attribution.before[0]
        assert sum(each.effects.values()) == pytest.approx(moved)
        assert sum(each.to_dict()["causes"].values()) == pytest.approx(moved)
        up = each.decision.allocation.executors > each.decision.previous.executors
        assert moved >= 0 if up else moved <= 0, "effects show the way that the change goes"


def test_a_policy_that_is_not_at_hand_is_told_in_the_words_of_the_log(records: list[AuditRecord]) -> None:
    own = PolicyIdentity("own", "sha256:" + "0" * 64)
    foreign = [replace(r, decision=replace(r.decision, acted=own, policy=own)) for r in records]
    (told,) = Teller(policies_of(None), fallback=RATE).last(foreign, most=1, changes=True)
    assert told.sentence == [r.why for r in records if r.why][-1]
    assert (told.effects, told.explanation.attribution) == ({}, None)
    assert "--policy" in told.problem


def test_only_the_policy_with_the_digest_of_the_log_is_asked(tmp_path: Path) -> None:
    artifact = policy_artifact(tmp_path)
    find = policies_of(tmp_path)
    found = find(PolicyIdentity("test", artifact.manifest.digest))
    assert found is not None
    assert found.identity.digest == artifact.manifest.digest
    assert find(PolicyIdentity("test", "sha256:other")) is None
    assert find(PolicyIdentity("default", "sha256:other")) is None
    assert find(PolicyIdentity("RateAhead")) == AHEAD
    assert find(PolicyIdentity("nobody")) is None
