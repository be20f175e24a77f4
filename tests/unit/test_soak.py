"""What a soak finds: a leak that is made up is told as one, and so is each way in which a status can be wrong."""

import copy
import csv
import random
from pathlib import Path
from typing import Any

import pytest
from soak import report
from soak.drift import CONDITIONS, Suspicions, contradictions, differences
from soak.findings import MEASURES, read
from soak.jobs import soak_job
from soak.sampling import Counters, Watched
from soak.trend import Trend, Verdict, trend

from sparkiot_operator.bench.figures import Look
from sparkiot_operator.resource.translate import parse_spec
from sparkiot_operator.times import parse_timestamp
from sparkiot_sim.devcluster.expiry import Expiry
from sparkiot_sim.devcluster.store import Store

START = "2026-01-01T00:00:00Z"
NOW = parse_timestamp("2026-01-01T00:01:40Z")
JOB: dict[str, Any] = {
    "metadata": {"name": "soak-000", "uid": "u", "generation": 2},
    "spec": {},
    "status": {
        "phase": "Running",
        "observedGeneration": 2,
        "replicas": 3,
        "allocation": {"executors": 4, "memory": "1Gi", "tier": "Warm", "compression": "LZ4"},
        # 12 times faster: after 100 s of real time 1200 s of job time are over; this status is 5 s old
        "simulation": {"origin": START, "time": "2026-01-01T00:19:00.000Z"},
        "conditions": [
            {
                "type": kind,
                "status": "True",
                "reason": "R",
                "message": "m",
                "observedGeneration": 2,
            }
            for kind in sorted(CONDITIONS)
        ],
    },
}
LINE: dict[str, Any] = {
    "uid": "u",
    "decision": {
        "time": parse_timestamp("2026-01-01T00:19:00Z"),
        "allocation": {"executors": 4, "memory_mib": 1024, "tier": "Warm", "compression": "LZ4"},
    },
    "evaluation": {"running": 3},
}


def look(*, phase: str = "Running", desired: int = 4, cycled: float = NOW - 3, jobs: int = 1) -> Look:
    labels = 'namespace="sparkiot-soak",name="soak-000"'
    return Look.of(
        f"""# TYPE sparkiot_job_phase_info gauge
sparkiot_job_phase_info{{{labels},phase="{phase}"}} 1
# TYPE sparkiot_job_executors gauge
sparkiot_job_executors{{{labels},state="desired"}} {desired}
sparkiot_job_executors{{{labels},state="running"}} 3
# TYPE sparkiot_job_last_cycle_timestamp_seconds gauge
sparkiot_job_last_cycle_timestamp_seconds{{{labels}}} {cycled}
# TYPE sparkiot_jobs gauge
sparkiot_jobs {jobs}
""",
        at=0,
    )


def changed(path: str, value: Any) -> dict[str, Any]:
    """The job with one field of its status, or of itself, set to another value."""
    job = copy.deepcopy(JOB)
    *parents, last = path.split(".")
    place = job
    for name in parents:
        place = place[name]
    place[last] = value
    return job


def test_a_job_as_it_should_be_shows_nothing() -> None:
    assert differences([JOB], look(), now=NOW) == set()
    assert contradictions([JOB], [LINE]) == (1, set())


@pytest.mark.parametrize(
    ("job", "seen", "what"),
    [
        (JOB, look(phase="Pending"), "phase in the status is not the operator's"),
        (JOB, look(desired=5), "executors in the status are not those that the operator wants"),
        (JOB, look(cycled=NOW - 61), "no decision for a minute"),
        (JOB, look(jobs=2), "the operator runs another number of jobs than there are"),
        (changed("metadata.generation", 3), look(), "observedGeneration is not the generation"),
        (changed("metadata.generation", 3), look(), "Ready is of another generation"),
        (changed("spec.suspend", True), look(), "phase is not Suspended"),
        (changed("status.phase", "Suspended"), look(phase="Suspended"), "phase is not Running"),
        (changed("status.phase", "Suspended"), look(phase="Suspended"), "suspended, and executors run"),
        (changed("status.phase", "Suspended"), look(phase="Suspended"), "Ready contradicts the phase"),
        (changed("status.conditions", JOB["status"]["conditions"] * 2), look(), "a condition stands there twice"),
        (changed("status.conditions", JOB["status"]["conditions"][1:]), look(), "no condition Degraded"),
        (changed("status.simulation.time", "2026-01-01T00:07:00Z"), look(), "the status is old"),
        (changed("status.simulation", None), look(), "no simulation in the status"),
    ],
)
def test_each_way_of_drifting_is_found(job: dict[str, Any], seen: Look, what: str) -> None:
    assert what in {found for _, found in differences([job], seen, now=NOW)}


def test_drift_is_what_stands_for_minutes() -> None:
    suspicions = Suspicions()
    edit, lost = ("a", "observedGeneration is not the generation"), ("b", "phase is not Running")
    assert suspicions.take({edit, lost}, now=100) == set()
    assert suspicions.take({lost}, now=130) == set()
    assert suspicions.longest_s == 30
    assert suspicions.take({edit, lost}, now=279) == set()
    assert suspicions.take({edit, lost}, now=280) == {lost}
    assert suspicions.take({edit, lost}, now=295) == set()  # told already
    assert suspicions.take({edit}, now=459) == {edit}
    assert suspicions.longest_s == 359
    suspicions.forget()
    assert suspicions.take({edit}, now=500) == set()
    assert suspicions.longest_s == 359


def test_series_of_a_job_that_is_gone_are_found() -> None:
    assert ("soak-000", "metrics of a job that is gone") in differences([], look(jobs=0), now=NOW)


def test_a_status_is_held_against_the_cycle_that_it_names() -> None:
    more = {**JOB, "status": {**JOB["status"], "replicas": 2}}
    assert contradictions([more], [LINE]) == (1, {("soak-000", "status: 2 executors run, measured: 3")})
    decided = changed("status.allocation.tier", "Hot")
    ((job, what),) = contradictions([decided], [LINE])[1]
    assert (job, "Hot" in what, "Warm" in what) == ("soak-000", True, True)
    assert contradictions([changed("status.simulation.time", START)], [LINE]) == (0, set())


def test_a_line_through_blocks_computed_by_hand() -> None:
    # Three blocks of two samples: means 10, 12, 11 at 2.5, 7.5 and 12.5 minutes; slope 0.5 in 5 minutes.
    minutes, values = [0, 5, 5.5, 9.5, 10, 15], [9, 11.5, 12.5, 11.5, 10.5, 11.5]
    found = trend([2, 3, 7, 8, 12, 13], [9, 11, 11.5, 12.5, 10.5, 11.5])
    assert found is not None
    assert (found.blocks, found.middle, found.at_min) == (3, 11, pytest.approx(7.5))
    assert found.slope == pytest.approx(0.5 * 12)  # twelve times five minutes in an hour
    # Residuals -0.5, 1, -0.5: 1.5 in all, one degree of freedom, spread of the hours 2 (1/12)² = 1/72.
    assert found.high - found.slope == pytest.approx(12.706 * (1.5 * 72) ** 0.5, rel=1e-3)
    assert found.line(12.5) == pytest.approx(11.5)
    assert trend(minutes[:2], values[:2]) is None


def resident(*, leak: float, seed: int = 1) -> Trend:
    """75 minutes of samples every 15 s that wander by some hundred KiB, as a heap does. leak: MiB an hour."""
    noise = random.Random(seed)
    minutes = [45 + sample / 4 for sample in range(300)]
    found = trend(minutes, [230 + leak * minute / 60 + noise.gauss(0, 0.5) for minute in minutes])
    assert found is not None
    return found


def test_a_leak_is_told_from_noise() -> None:
    assert resident(leak=0).verdict(4) is Verdict.FLAT
    assert resident(leak=2).verdict(4) is Verdict.FLAT
    assert resident(leak=8).verdict(4) is Verdict.GROWS
    assert resident(leak=4).verdict(4) is Verdict.UNDECIDED
    found = resident(leak=8)
    assert found.low < 8 < found.high


def written(folder: Path, *, leak: float, drift: str = "", storm: int = 1, logged: str = "") -> Path:
    """A soak's folder of two hours. leak: MiB an hour of the operator's memory."""
    columns = [f"{name}_{field}" for name in ("operator", "cluster") for field in Watched.FIELDS]
    noise = random.Random(2)
    with (folder / "samples.csv").open("w", newline="") as file:
        names = (
            "minutes",
            "jobs",
            "objects",
            "objects_events",
            "disk_mib",
            "compared",
            "agreed_s",
            "starved",
            *columns,
            *Counters.FIELDS,
        )
        table = csv.DictWriter(file, names, restval=10)
        table.writeheader()
        for sample in range(1, 481):
            minutes = sample / 4
            memory = 200 + leak * minutes / 60 + noise.gauss(0, 0.3)
            table.writerow(
                {"minutes": minutes, "operator_rss_mib": memory, "cycle_errors": 0, "audit_errors": 0, "starved": 0}
            )
    (folder / "drift.csv").write_text("minutes,job,what\n" + (f"3,soak-001,{drift}\n" if drift else ""))
    (folder / "events.csv").write_text("minutes,job,reason,type\n" + "1,soak-001,ScaledUp,Normal\n" * storm)
    (folder / "actions.csv").write_text("minutes,job,what\n1,soak-001,scale: 3\n")
    (folder / "operator.log").write_text(logged)
    (folder / "dev.log").write_text("")
    return folder


def test_a_soak_in_which_all_is_well(tmp_path: Path) -> None:
    found = read(written(tmp_path, leak=0.5))
    assert found.faults == []
    assert set(found.verdicts.values()) == {Verdict.FLAT}
    report.write(tmp_path, found)
    text = (tmp_path / "report.md").read_text()
    assert "Nothing grew beyond its bound" in text
    assert text.count("| flat |") == len(MEASURES)
    assert (tmp_path / report.PICTURE).stat().st_size > 10_000


@pytest.mark.parametrize(
    ("trouble", "fault"),
    [
        ({"leak": 9}, "operator, resident memory grows"),
        ({"leak": 0, "drift": "phase is not Running"}, "drift: minute 3: soak-001: phase is not Running"),
        ({"leak": 0, "storm": 150}, "event storm: soak-001: ScaledUp"),
        ({"leak": 0, "logged": "2026 ERROR  x: the cycle failed\n"}, "the cycle failed"),
    ],
)
def test_each_trouble_is_a_fault(tmp_path: Path, trouble: dict[str, Any], fault: str) -> None:
    (found,) = read(written(tmp_path, **trouble)).faults
    assert fault in found


def test_counters_of_jobs_that_go_are_not_lost() -> None:
    metric = "sparkiot_job_cycle_errors_total"
    text = f'# TYPE {metric} counter\n{metric}{{namespace="n",name="a"}} %d\n{metric}{{namespace="n",name="b"}} %d\n'
    counters = Counters()
    assert counters.look(Look.of(text % (2, 1), at=0))["cycle_errors"] == 3
    assert counters.look(Look.of(text % (3, 0), at=1))["cycle_errors"] == 4  # b was deleted and made again
    assert counters.look(Look.of(text % (3, 2), at=2))["cycle_errors"] == 6


def test_jobs_are_valid_and_of_all_kinds() -> None:
    specs = [parse_spec(soak_job(number)["spec"]) for number in range(50)]
    kinds = {spec.simulation.workload.generator.kind for spec in specs if spec.simulation}
    assert kinds == {"SmartCity", "Healthcare", "Industrial"}


def test_what_nobody_wrote_for_its_time_to_live_expires() -> None:
    store, expiry = Store(None, first_revision=1), Expiry(60)

    def put(name: str, count: int) -> None:
        store.put("/events", {"metadata": {"name": name, "namespace": "n", "uid": name}, "count": count})

    put("old", 1)
    put("renewed", 1)
    assert expiry.due(store.records("/events"), now=100) == []
    put("renewed", 2)
    put("new", 1)
    assert expiry.due(store.records("/events"), now=159) == []
    assert expiry.due(store.records("/events"), now=160) == [("n", "old")]
    store.remove("/events", ("n", "old"))
    assert expiry.due(store.records("/events"), now=219) == [("n", "new"), ("n", "renewed")]
