"""A match as a custom resource, and an operator's decisions beside those of its twin offline."""

import asyncio
import os
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from support_objects import NoObjects

from sparkiot_operator.audit import AuditLog, AuditRecord, read_audit
from sparkiot_operator.backends import Surroundings
from sparkiot_operator.cluster_evaluation import collect
from sparkiot_operator.cluster_evaluation.collect import EvaluationError, Ran, fetch_audit, records_of
from sparkiot_operator.cluster_evaluation.jobs import ClusterJob, UnsupportedMatchError, cluster_job
from sparkiot_operator.cluster_evaluation.twin import twin_of
from sparkiot_operator.cluster_evaluation.verdict import Line, document, shown, verdict
from sparkiot_operator.driver_client import DriverClient
from sparkiot_operator.events import JobRef
from sparkiot_operator.policies_store import PolicyStore
from sparkiot_operator.promotion.board import CanaryBoard
from sparkiot_operator.resource.spec import BackendKind
from sparkiot_operator.resource.status import SparkIoTJobStatus
from sparkiot_operator.resource.translate import parse_spec
from sparkiot_operator.session import open_session
from sparkiot_operator.simulation import trace_workload
from sparkiot_sim.generators import Kind
from sparkiot_sim.tournament.entry import Entry, entrant
from sparkiot_sim.tournament.matches import Load, Match, Tournament
from sparkiot_sim.tournament.play import play_match, result_of

START = 1_790_000_000.123
"""Of the cluster: no multiple of an interval, as nobody waits for one."""
REF = JobRef("evaluation", "city", "uid-1")


def program(policy: str, *, seed: int = 3, signal: str = "measured", duration_s: float = 1200.0) -> Tournament:
    load = Load(source=Kind.HEALTHCARE, mean_rate=300.0)
    entries = (Entry.of(policy),)
    return Tournament(entries=entries, loads=(load,), seeds=(seed,), quality=signal, duration_s=duration_s)


def job_of(tournament: Tournament) -> ClusterJob:
    (match,) = tournament.matches()
    return cluster_job(tournament, match, entrant(match.entry.policy), acceleration=60)


@pytest.mark.parametrize(
    "policy", ["default", "default:weights=HealthcareCritical", "default:weights=Auto", "Rate", "RateAhead", "HPA"]
)
def test_a_match_can_be_stated_as_a_resource(policy: str) -> None:
    # That the resource means the very job of the match is checked where it is made, field by field.
    job = job_of(program(policy))
    assert job.manifest["spec"]["policy"]["name"] == policy.partition(":")[0]
    assert job.manifest["spec"]["simulation"]["seed"] == 3
    assert job.name == policy.lower().replace(":", "-").replace("=", "-") + "-healthcare-300-cloud-coldstart-3"


def test_the_load_is_the_tournaments_from_the_match_on() -> None:
    tournament = program("Rate")
    (match,) = tournament.matches()
    setting = tournament.setting(match)
    assert setting.start > setting.workload.start  # a short match begins at an hour that its seed picks
    load = trace_workload(job_of(tournament).text, name="load", mean_rate=None)
    assert load.duration_s == setting.workload.duration_s
    for offset in (0.0, 605.0, 50_000.0, 86_395.0):
        assert load.rate_at(load.start + offset) == setting.workload.rate_at(setting.start + offset)


@pytest.mark.parametrize(
    ("policy", "signal", "message"),
    [
        ("Rate:utilization=0.8", "measured", "without parameters"),
        ("Slots", "measured", "its own fallback"),
        ("Rate", "poor", "choose measured or none"),
    ],
)
def test_what_a_resource_cannot_state_is_refused(policy: str, signal: str, message: str) -> None:
    with pytest.raises(UnsupportedMatchError, match=message):
        job_of(program(policy, signal=signal))


def operate(job: ClusterJob, folder: Path, *, duration_s: float, conflict: bool = False) -> list[AuditRecord]:
    """The records of an operator whose cycles come late, and some not at all.

    conflict: the first cycle's status is not written, and the next one comes after two minutes of job time.
    """

    async def read_config_map(_: str) -> Mapping[str, str]:
        return dict(job.config_map["data"])

    around = Surroundings(
        ref=REF,
        default_backend=BackendKind.SIMULATED,
        read_config_map=read_config_map,
        objects=NoObjects(),
        drivers=DriverClient(None),
    )
    spec = parse_spec(job.manifest["spec"])
    spec = spec.model_copy(
        update={"simulation": spec.simulation and spec.simulation.model_copy(update={"acceleration": 1.0})}
    )
    session = open_session(
        str(REF),
        spec,
        SparkIoTJobStatus(),
        policies=PolicyStore(folder=None, digests={}),
        surroundings=around,
        canaries=CanaryBoard(),
        real=START,
    )
    log = AuditLog(folder, max_bytes=10**8, files=1)
    late = random.Random(7)

    async def run() -> None:
        now = START
        if conflict:
            await session.decide(now)
            now += 120.3
        while now < START + duration_s:
            cycle = await session.decide(now)
            await session.realize(cycle)
            log.write(AuditRecord(REF, 1, cycle.job, cycle.evaluation, cycle.decision))
            now += 10.0 * late.choice((1, 1, 1, 2)) + late.uniform(-0.4, 0.4)

    asyncio.run(run())
    log.close()
    return list(read_audit([folder]))


Played = tuple[Tournament, Match, ClusterJob, list[AuditRecord], Path]


@pytest.fixture(scope="module", params=["default", "HPA"])
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """A match, and what an operator wrote down of it in the folder at the end."""
    tournament, folder = program(request.param), tmp_path_factory.mktemp("audit")
    (match,) = tournament.matches()
    job = job_of(tournament)
    return tournament, match, job, operate(job, folder, duration_s=tournament.duration_s), folder


def test_the_operators_decisions_are_the_offline_ones_whenever_they_were_taken(played: Played) -> None:
    tournament, match, job, records, _ = played
    player = entrant(match.entry.policy)
    twin = twin_of(job, player, records, origin=START, duration_s=tournament.duration_s)
    assert (twin.differing, twin.observed_otherwise) == ((), 0)
    assert twin.decisions == len(records) > 50
    assert twin.left_out == 120 - len(records)
    line = Line(
        job=job.name,
        twin=twin,
        cluster=result_of(tournament, match, twin.episode, job.job),
        offline=play_match(tournament, match, player),
    )
    assert shown(line)["verdict"] == "equal"
    assert document(line)["cluster_cost_dollars"] == pytest.approx(document(line)["offline_cost_dollars"], rel=0.25)
    assert verdict([line]).startswith("1 of 1 jobs decided as offline: 0 of ")


def test_a_first_cycle_whose_status_was_not_written_is_played_along(tmp_path: Path) -> None:
    tournament = program("default")
    job = job_of(tournament)
    records = operate(job, tmp_path, duration_s=600.0, conflict=True)
    twin = twin_of(job, entrant("default"), records, origin=START, duration_s=600.0)
    assert records[0].decision.time == START + 120.3
    assert (twin.differing, twin.observed_otherwise) == ((), 0)
    assert len(records_of(tmp_path, {"city": Ran("uid-1", START)})["city"]) == len(records)


def test_one_decision_that_the_policy_would_not_have_taken_is_found_and_is_one(played: Played) -> None:
    tournament, match, job, given, _ = played
    records = list(given)
    index = len(records) // 2
    right = records[index].decision
    reason = next(r for r in type(right.reason) if r is not right.reason)
    records[index] = replace(records[index], decision=replace(right, reason=reason))
    player = entrant(match.entry.policy)
    twin = twin_of(job, player, records, origin=START, duration_s=tournament.duration_s)
    assert [difference.recorded.time for difference in twin.differing] == [right.time]
    assert twin.differing[0].offline.reason is right.reason
    assert twin.observed_otherwise == 0


def test_another_world_than_the_operators_is_found(played: Played) -> None:
    tournament, match, _, records, _ = played
    other = job_of(program(match.entry.policy, seed=4))
    twin = twin_of(other, entrant(match.entry.policy), records, origin=START, duration_s=tournament.duration_s)
    assert twin.observed_otherwise > 100 - twin.left_out


def test_an_audit_log_of_another_run_or_without_its_beginning_is_refused(played: Played, tmp_path: Path) -> None:
    *_, records, folder = played
    assert len(records_of(folder, {"city": Ran("uid-1", START)})["city"]) == len(records)
    with pytest.raises(EvaluationError, match="holds no decision of 1 jobs, among them city"):
        records_of(folder, {"city": Ran("uid-2", START)})
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "decisions.jsonl").write_text("".join((folder / "decisions.jsonl").read_text().splitlines(True)[1:]))
    with pytest.raises(EvaluationError, match="lost the first decisions of city"):
        records_of(cut, {"city": Ran("uid-1", START)})
    with pytest.raises(EvaluationError, match="no such audit log"):
        records_of(folder / "elsewhere", {"city": Ran("uid-1", START)})


def kubectl(folder: Path, script: str) -> None:
    """A kubectl that does what the script says, and writes its arguments down."""
    path = folder / "kubectl"
    path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >"{folder}/arguments"\n{script}\n')
    path.chmod(0o755)


def test_the_audit_log_comes_out_of_the_operators_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pod = tmp_path / "pod"
    pod.mkdir()
    # The newest file is decisions.jsonl; rotation has given the older one a number and left it its time.
    for name, text, age in (("decisions.jsonl.1", "old\n", 100), ("decisions.jsonl", "new\n", 1)):
        (pod / name).write_text(text)
        os.utime(pod / name, (1e9 - age, 1e9 - age))
    monkeypatch.setattr(collect, "AUDIT_IN_POD", str(pod))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    kubectl(tmp_path, 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"')
    fetch_audit("ops", "sparkiot", kubeconfig=Path("/etc/kubeconfig"), folder=tmp_path / "audit")
    assert (tmp_path / "audit" / "decisions.jsonl").read_text() == "old\nnew\n"
    said = (tmp_path / "arguments").read_text().split("\n")
    assert said[:7] == ["--kubeconfig", "/etc/kubeconfig", "-n", "ops", "exec", "deployment/sparkiot", "-c"]


def test_an_audit_log_that_cannot_be_fetched_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    kubectl(tmp_path, "echo 'deployments.apps \"sparkiot\" not found' >&2; exit 1")
    with pytest.raises(EvaluationError, match=r'"sparkiot" not found; the chart keeps one with audit\.enabled=true'):
        fetch_audit("ops", "sparkiot", kubeconfig=None, folder=tmp_path / "audit")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(EvaluationError, match="kubectl is not in PATH"):
        fetch_audit("ops", "sparkiot", kubeconfig=None, folder=tmp_path / "audit")
