"""Job files in virtual time: what is refused and how, and that a run repeats exactly."""

from pathlib import Path

import pytest
import yaml

from sparkiot_operator.offline import OfflineError, OfflineJob, Run, load_job, load_workload, parse_job, play

EXAMPLES = Path(__file__).parents[2] / "operator" / "sparkiot_operator" / "examples"
HEALTHCARE = EXAMPLES / "healthcare.yaml"
SMART_CITY = EXAMPLES / "smart-city.yaml"
JOB = HEALTHCARE.read_text()
LIVE = """
apiVersion: sparkiot.dev/v1alpha1
kind: SparkIoTJob
spec:
  application: {image: "spark:1", mainApplicationFile: "local:///a.py", checkpointLocation: "s3a://b/c"}
"""


def played(policy: str, *, minutes: int = 60) -> Run:
    job = load_job(HEALTHCARE)
    load = load_workload(job, trace=None, mean_rate=None)
    return play(job, load, policy=policy, duration_s=60.0 * minutes, origin=0.0)


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda p: p.stem)
def test_examples_are_valid(example: Path) -> None:
    assert load_job(example).name == example.stem


def test_a_run_repeats_exactly() -> None:
    first, second = played("Rate"), played("Rate")
    assert first.rows() == second.rows()
    assert len(first.rows()) == 3600 / first.job.job.interval_s


def test_rows_and_timeline_agree_with_the_decisions() -> None:
    run = played("RateAhead")
    rows, timeline = run.rows(), run.timeline()
    decided = [cycle.decision.allocation.executors for cycle in run.episode.cycles]
    assert [row["wanted"] for row in rows] == decided == timeline.wanted.tolist()
    assert timeline.latency_target_ms == 1000


def test_a_fixed_size_costs_what_it_is_billed() -> None:
    """Fixed asks for 15 executors of 4 GiB at $0.30 an hour each; the first minutes start from fewer."""
    summary = played("Fixed", minutes=120).episode.summary
    assert summary.cost_dollars == pytest.approx(2 * 15 * 0.30, rel=0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not YAML"),
        ("kind: Pod", "not a SparkIoTJob"),
        (JOB.replace("max: 20", "max: none"), "spec.scaling.executors.max"),
        (JOB.replace("scenario: HealthcareCritical", "scenario: Cheap"), "'Cheap'"),
        (JOB.split("simulation:", maxsplit=1)[0], "state application, simulation or both"),
        (LIVE, "spec.simulation is absent"),
    ],
)
def test_what_is_wrong_with_a_job_file_is_said(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(text)
    with pytest.raises(OfflineError) as caught:
        load_job(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_an_absent_job_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(OfflineError, match=r"absent\.yaml: cannot be read"):
        load_job(tmp_path / "absent.yaml")


def test_a_config_map_needs_a_trace() -> None:
    with pytest.raises(OfflineError, match="pass --trace"):
        load_workload(load_job(SMART_CITY), trace=None, mean_rate=None)


@pytest.mark.parametrize(
    ("rows", "message"),
    [("", "empty"), ("1,-4\n2,5", "negative"), ("1,nan\n2,5", "not finite"), ("1,4", "at least two")],
)
def test_what_is_wrong_with_a_trace_is_said(tmp_path: Path, rows: str, message: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(f"timestamp,value\n{rows}" if rows else "")
    with pytest.raises(OfflineError, match=message):
        load_workload(load_job(SMART_CITY), trace=path, mean_rate=None)


def test_a_disordered_trace_is_played_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("timestamp,value\n0,1\n120,3\n60,2\n180,4\n")
    load = load_workload(load_job(SMART_CITY), trace=path, mean_rate=None)
    assert load.workload.mean_rate == pytest.approx(300), "scaled as the job says"
    assert any("out of order" in warning for warning in load.warnings)


def test_unknown_policy_and_too_short_a_run() -> None:
    with pytest.raises(OfflineError, match="Sage"):
        played("Sage")
    with pytest.raises(OfflineError, match="shorter than one interval"):
        played("Rate", minutes=0)


def in_mode(mode: str) -> OfflineJob:
    """The example job in a mode, on a policy that asks for seven executors beside a rule that asks for fifteen."""
    document = yaml.safe_load(JOB)
    promotion = {"automatic": True, "observation": "10m", "decisions": 30, "maxModelError": 0.3}
    document["spec"]["scaling"]["mode"] = mode
    document["spec"]["policy"] = {"name": "Rate", "fallback": "Fixed", "promotion": promotion}
    return parse_job(document, source="job")


@pytest.mark.parametrize(
    ("mode", "acted"),
    [("Active", {"Rate"}), ("Advise", {"Rate"}), ("Paused", {"Rate"}), ("Shadow", {"Fixed", "Rate"})],
)
def test_a_job_is_played_in_its_own_mode(mode: str, acted: set[str]) -> None:
    """Advise and Paused leave the start as it is; in Shadow the rule acts until the policy earned the job."""
    job = in_mode(mode)
    run = play(job, load_workload(job, trace=None, mean_rate=None), policy=None, duration_s=2400, origin=0.0)
    decisions = [cycle.decision for cycle in run.episode.cycles]
    assert {d.acted.name for d in decisions} == acted
    if mode in ("Advise", "Paused"):
        assert {d.previous for d in decisions} == {job.job.initial}
    if mode != "Shadow":
        assert run.trial is None
        return
    assert run.trial is not None
    assert run.summary()["shadow"]["stage"] == "Active"
    first = next(i for i, d in enumerate(decisions) if d.acted.name == "Rate")
    assert {d.acted.name for d in decisions[first:]} == {"Rate"}
    assert decisions[first].time >= 600


def test_a_policy_that_is_named_acts_whatever_the_mode() -> None:
    job = in_mode("Shadow")
    load = load_workload(job, trace=None, mean_rate=None)
    run = play(job, load, policy="RateAhead", duration_s=600, origin=0.0)
    assert {cycle.decision.acted.name for cycle in run.episode.cycles} == {"RateAhead"}
    assert run.trial is None
