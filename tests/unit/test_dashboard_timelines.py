"""What the page remembers: bounded, of the right job, and the same from memory, audit log and status."""

from dataclasses import replace
from pathlib import Path

import pytest
from support_cycles import cycle
from support_dashboard import played

from sparkiot_operator.audit import AuditLog, AuditRecord
from sparkiot_operator.dashboard.audit_tail import AuditTail
from sparkiot_operator.dashboard.jobs import view
from sparkiot_operator.dashboard.samples import ENTRIES, SAMPLES, Entry, Sample, Timeline, Timelines
from sparkiot_operator.dashboard.watching import look
from sparkiot_operator.events import JobRef
from sparkiot_operator.replay import replay
from sparkiot_policies.job import Mode
from sparkiot_policies.rules import Fixed, rule

REF = JobRef("iot", "city", "uid-1")


def record(proposed: int = 6, *, time: float = 1_700_000_000.0, ref: JobRef = REF) -> AuditRecord:
    """A decision from four executors to others."""
    made = cycle(proposed)
    return AuditRecord(ref, 1, made.job, replace(made.evaluation, now=time), replace(made.decision, time=time))


def test_a_decision_is_a_sample_and_the_rule_decides_it_again() -> None:
    timelines = Timelines()
    timelines.record(record(6), Fixed(executors=20))
    found = timelines.find(REF)
    assert found is not None
    (sample,) = found.samples
    assert (sample.load, sample.forecast) == (100.0, None)
    assert (sample.running, sample.decided) == (4, 6)
    assert sample.rule == 14, "it asks for twenty, and the envelope adds ten at once at the most"
    assert (sample.latency_s, sample.target_s) == pytest.approx((0.8504, 1.0))
    assert (sample.change, found.rule) == ("up", "Fixed:executors=20")
    (entry,) = found.entries
    assert (entry.moved, entry.policy, entry.clamps) == (2, "Scripted", ())
    assert "executors 4 -> 6" in entry.message


def test_what_is_only_advised_is_called_so() -> None:
    advised = record(6)
    timelines = Timelines()
    timelines.record(replace(advised, job=replace(advised.job, mode=Mode.ADVISE)), rule("Rate"))
    found = timelines.find(REF)
    assert found is not None
    assert found.verb == "advised"


def test_the_rule_is_the_one_of_sparkiot_replay() -> None:
    records = played(policy="RateAhead").records
    timelines = Timelines()
    for item in records:
        timelines.record(item, rule("Rate"))
    found = timelines.find(played(policy="RateAhead").ref)
    assert found is not None
    replayed = replay(records, rule("Rate"), fallback=rule("Rate"), meta=None)
    assert [s.rule for s in found.samples] == [r.replayed.allocation.executors for r in replayed][-SAMPLES:]
    assert len({s.rule for s in found.samples}) > 1


def test_memory_is_bounded_and_old_decisions_go_first() -> None:
    timelines = Timelines()
    for n in range(SAMPLES + 40):
        timelines.record(record(3 + 2 * (n % 2), time=1e9 + 10 * n), rule("Rate"))
    found = timelines.find(REF)
    assert found is not None
    assert (len(found.samples), len(found.entries)) == (SAMPLES, ENTRIES)
    assert found.samples[0].time == 1e9 + 400


def test_what_changes_nothing_and_is_not_held_back_makes_no_entry() -> None:
    timelines = Timelines()
    for n, proposed in enumerate((4, 4, 6, 4, 4)):
        timelines.record(record(proposed, time=1e9 + 10 * n), rule("Rate"))
    found = timelines.find(REF)
    assert found is not None
    assert [e.moved for e in found.entries] == [0, 2], "the first one, and the one that moved"


def test_another_bound_policy_or_fallback_is_an_entry() -> None:
    timeline = Timeline(REF)
    base = Entry(time=1.0, reason="Held", message="", policy="default")
    held = replace(base, clamps=("Stabilizing",))
    for entry in (base, base, held, held, base, replace(base, policy="Rate", fallback="PolicyFailed"), base):
        timeline.note(entry, changed=False)
    assert [(e.policy, e.clamps) for e in timeline.entries] == [
        ("default", ()),
        ("default", ("Stabilizing",)),
        ("Rate", ()),
        ("default", ()),
    ]


def test_a_job_of_the_same_name_is_another_job() -> None:
    timelines = Timelines()
    timelines.record(record(), rule("Rate"))
    other = JobRef("iot", "city", "uid-2")
    assert timelines.find(other) is None
    timelines.record(record(ref=other), rule("Rate"))
    assert timelines.find(REF) is None
    timelines.forget(REF)
    assert timelines.find(other) is not None, "what is forgotten is not the one that took the name"
    timelines.keep([])
    assert timelines.find(other) is None


def test_a_simulation_that_begins_again_begins_its_picture_again() -> None:
    timeline = Timeline(REF)
    for time in (10.0, 20.0, 20.0, 5.0, 15.0):
        timeline.add(Sample(time=time))
    assert [s.time for s in timeline.samples] == [5.0, 15.0]


def test_a_status_holds_less_and_what_it_lacks_is_missing() -> None:
    job = view(played().resource)
    timeline = Timeline(job.ref)
    for now in (100.0, 110.0):
        look(timeline, job, now=now)
    first = timeline.samples[0]
    assert (first.load, first.forecast, first.rule) == (None, None, None)
    assert (first.running, first.decided, first.target_s) == (job.running, job.wanted, 1.0)
    assert len(timeline.entries) == 1, "one decision, looked at twice"
    assert timeline.rule is None


def test_a_job_that_nobody_looked_at_has_no_samples() -> None:
    timeline = Timeline(REF)
    look(timeline, view({"metadata": {"name": "city"}}), now=100.0)
    assert not timeline.samples


def write(log: AuditLog, *times: float) -> None:
    for time in times:
        log.write(record(time=time))


def times(tail: AuditTail) -> list[float]:
    return [r.decision.time for r in tail.read()]


def test_an_audit_log_is_followed_through_rotation(tmp_path: Path) -> None:
    size = len(line_of(tmp_path / "other"))
    log = AuditLog(tmp_path, max_bytes=3 * size + 10, files=5)
    with AuditTail(tmp_path) as tail:
        assert times(tail) == []
        write(log, 1.0, 2.0)
        assert times(tail) == [1.0, 2.0]
        write(log, 3.0, 4.0, 5.0)
        assert times(tail) == [3.0, 4.0, 5.0]
        write(log, *range(6, 14))
        assert times(tail) == list(range(6, 14)), "two files were begun since"
        assert times(tail) == []
    log.close()


def test_only_the_end_of_an_old_log_is_read(tmp_path: Path) -> None:
    size = len(line_of(tmp_path / "other"))
    log = AuditLog(tmp_path, max_bytes=3 * size + 10, files=5)
    write(log, *range(1, 9))
    log.close()
    with AuditTail(tmp_path, tail_bytes=int(3.5 * size)) as tail:
        assert times(tail) == [6.0, 7.0, 8.0]


def test_a_line_that_is_still_written_and_one_that_is_damaged(tmp_path: Path) -> None:
    line = line_of(tmp_path / "other")
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(line + b"no record\n" + line[:50])
    with AuditTail(tmp_path) as tail:
        assert times(tail) == [7.0]
        assert tail.damaged == 1
        with path.open("r+b") as file:  # what a restarted operator does to a torn line
            file.truncate(len(line) + len(b"no record\n"))
            file.seek(0, 2)
            file.write(line)
        assert times(tail) == [7.0]
        assert tail.damaged == 1


def test_a_folder_that_is_away_says_so(tmp_path: Path) -> None:
    with AuditTail(tmp_path / "gone") as tail, pytest.raises(OSError, match="gone"):
        times(tail)


def line_of(folder: Path) -> bytes:
    log = AuditLog(folder, max_bytes=10**9, files=1)
    write(log, 7.0)
    log.close()
    return (folder / "decisions.jsonl").read_bytes()
