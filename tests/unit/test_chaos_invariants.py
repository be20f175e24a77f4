"""What the chaos suite looks with: each look finds what it is there to find."""

import json
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from chaos import clocked
from chaos.client import View
from chaos.faults.base import settled
from chaos.invariants.audit_whole import AuditWhole
from chaos.invariants.no_leaks import NoLeaks
from chaos.invariants.one_driver import OneDriver
from chaos.ledger import Ledger
from chaos.sampler import Peaks, drivers_in
from chaos.world import World
from support_jobs import Scripted, allocation, evaluation, job

from sparkiot_operator.audit import FILE_NAME, AuditLog, AuditRecord
from sparkiot_operator.events import JobRef
from sparkiot_policies.decide import decide

Json = dict[str, Any]
NOTHING = View({}, (), {})


def record() -> AuditRecord:
    decision = decide(job(), evaluation(), Scripted(allocation(5)), fallback=Scripted(allocation()))
    return AuditRecord(JobRef("iot", "city", "uid-1"), 1, job(), evaluation(), decision)


def batch(sink: Path, number: int, ids: Iterable[int], *, part: str = "a") -> None:
    """One that is committed; it replaces what was there of its number."""
    folder = sink / f"batch={number}"
    for file in folder.glob("*"):
        file.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"part-{part}.json").write_text("".join(json.dumps({"id": row}) + "\n" for row in ids))
    (folder / "_SUCCESS").touch()


def test_the_ledger_tells_what_is_missing_doubled_and_unknown(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    batch(tmp_path, 0, range(4))
    ledger.refresh()
    assert (ledger.missing(4), ledger.missing(6), ledger.wrong(6)) == (0, 2, [])
    batch(tmp_path, 0, range(4), part="b")  # it ran again, as after a kill
    batch(tmp_path, 1, [3, 4, 9])
    ledger.refresh()
    assert (ledger.missing(6), ledger.wrong(6)) == (1, [3, 9])


@dataclass
class Replica:
    name: str
    audit: Path


def world(**parts: Any) -> World:
    return cast("World", SimpleNamespace(**parts))


def test_a_line_that_another_continued_is_found_once_and_a_cut_off_end_is_not(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, max_bytes=10**9, files=1)
    looked, seen = AuditWhole(), world(operators=SimpleNamespace(replicas=[Replica("a", tmp_path)]))
    log.write(record())
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(b'{"schema": 1, "name')
    assert looked.violations(seen, NOTHING) == []
    log.write(record())
    (found,) = looked.violations(seen, NOTHING)
    assert FILE_NAME in found
    assert looked.violations(seen, NOTHING) == []


def pod(name: str, *, phase: str = "Running") -> Json:
    labels = {"sparkiot.dev/job": "live", "app.kubernetes.io/component": "driver"}
    return {"metadata": {"name": name, "labels": labels}, "status": {"phase": phase}}


@pytest.mark.parametrize(
    ("peak", "pods", "wrong"),
    [
        (1, [pod("a"), pod("b", phase="Failed")], 0),
        (2, [pod("a")], 1),
        (1, [pod("a"), pod("b", phase="Pending")], 1),
        (1, [], 1),
    ],
)
def test_a_second_driver_is_found_by_processes_and_by_pods(peak: int, pods: list[Json], wrong: int) -> None:
    seen = world(sampler=SimpleNamespace(peaks=Peaks(drivers=peak)))
    assert len(OneDriver().violations(seen, View({}, tuple(pods), {}))) == wrong


def test_driver_processes_of_this_run_are_counted(tmp_path: Path) -> None:
    (tmp_path / "sparkiot_driver.py").write_text("import time\ntime.sleep(60)\n")
    arguments = [[str(tmp_path / "pods")], [str(tmp_path / "pods")], ["/somewhere/else"]]
    processes = [
        subprocess.Popen([sys.executable, "-m", "sparkiot_driver", *words], cwd=tmp_path) for words in arguments
    ]
    try:
        until = time.monotonic() + 30
        while drivers_in(tmp_path) < 2:
            assert time.monotonic() < until
        assert drivers_in(tmp_path) == 2
    finally:
        for process in processes:
            process.kill()
            process.wait()


class Listed:
    """An API server with one object of a job that is gone, and two leases."""

    def core_path(self, resource: str) -> str:
        return resource

    def path(self, group: str, resource: str) -> str:
        return resource

    def items(self, path: str, **_: str) -> list[Json]:
        names = {"secrets": ["gone-driver"], "leases": ["sparkiot", "other"]}.get(path, [])
        return [{"metadata": {"name": name, "labels": {"sparkiot.dev/job": "gone"}}} for name in names]


def test_what_is_left_of_a_job_is_found() -> None:
    live = {"metadata": {"uid": "u1"}}
    servers = SimpleNamespace(blocks=lambda: ["sparkiot:{live/u1/r0/b1/m0}", "sparkiot:{live/u0/r0/b1/m0}"])
    found = NoLeaks().violations(world(client=Listed(), servers=servers), View({"live": live}, (), {}))
    assert [line.split(" ")[0] for line in found] == ["secrets/gone-driver", "2", "1"]
    assert "u0" in found[2]


@pytest.mark.parametrize(
    ("seen", "statuses", "expected"),
    [(2, "TTT", True), (1, "TTT", False), (2, "TFT", False), (2, "TT", False)],
)
def test_a_job_is_settled_when_its_newest_spec_runs_and_is_fresh(seen: int, statuses: str, expected: bool) -> None:
    kinds = ("Ready", "ObservationFresh", "PolicyLoaded")
    conditions = [
        {"type": kind, "status": "True" if status == "T" else "False"}
        for kind, status in zip(kinds, statuses, strict=False)
    ]
    city = {"metadata": {"generation": 2}, "status": {"observedGeneration": seen, "conditions": conditions}}
    assert settled(View({"city": city}, (), {}), "city") is expected


def test_a_shifted_clock_follows_its_file_and_the_running_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    running = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: running)
    offset = tmp_path / "offset"
    clocked.shift(offset)
    assert time.time() == 1000.0
    offset.write_text("-60")
    assert time.time() == 1000.0, "it looks a few times a second"
    running += 1
    assert time.time() == 940.0
