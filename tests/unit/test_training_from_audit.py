"""Training on an audit log, briefly: a new artifact that goes on from the shipped one, judged on days it never saw."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support_recorded import course_of, look, simulated_looks

pytest.importorskip("stable_baselines3", reason="the train extra (torch, Stable-Baselines3) is not installed")

from sparkiot_operator.audit import AuditLog, AuditRecord
from sparkiot_operator.events import JobRef
from sparkiot_policies import library
from sparkiot_policies.artifact import load_artifact
from sparkiot_policies.features import Features
from sparkiot_policies.learned import LearnedPolicy
from sparkiot_policies.observation import names
from sparkiot_policies.rules import rule
from sparkiot_sim.recorded.fit import fit
from sparkiot_sim.training.from_audit import (
    IMITATION,
    SETTINGS,
    AuditTrainingError,
    Material,
    compare,
    material,
    target,
    train,
)
from sparkiot_sim.training.judge import PIECE_S, Judgement, Piece, Verdict, judge, pieces
from sparkiot_sim.training.recorded_episodes import RecordedEpisodes
from sparkiot_sim.training.warm_start import read_start

pytestmark = pytest.mark.train
SHIPPED = library.FOLDER / "default"
BRIEF = replace(SETTINGS, total_steps=1, rollout_steps=8, batch_size=16, epochs=1)
GLANCE = replace(IMITATION, steps=6, epochs=1, batch_size=16)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audit")
    written = AuditLog(folder, max_bytes=1_000_000, files=100)
    for job, seen, decision in simulated_looks(7.5):
        written.write(AuditRecord(JobRef("iot", "industrial", "uid"), 1, job, seen, decision))
    written.close()
    return folder


@pytest.fixture(scope="module")
def found(log: Path) -> Material:
    return material([log], job=None, held_out_days=0.14, base="edge-small")


def test_the_last_days_are_held_out_and_the_cluster_is_fitted_without_them(found: Material) -> None:
    (scene,), (piece,) = found.scenes, found.held_out
    assert scene.stretch.start + scene.stretch.duration_s < piece.stretch.start
    assert piece.stretch.duration_s == pytest.approx(0.14 * 86400, abs=20)
    assert piece.fitted == scene.fitted == fit([scene.stretch])
    assert found.jobs == ("iot/industrial",)


def test_a_log_that_is_too_short_says_what_would_help(log: Path, tmp_path: Path) -> None:
    with pytest.raises(AuditTrainingError, match=r"iot/industrial: 0 looks .* fewer --held-out-days"):
        material([log], job=None, held_out_days=2, base="edge-small")
    with pytest.raises(AuditTrainingError, match="no decision of iot/other"):
        material([log], job="iot/other", held_out_days=0.1, base="edge-small")
    with pytest.raises(FileNotFoundError):
        material([tmp_path / "absent.jsonl"], job=None, held_out_days=0.1, base="edge-small")


def test_neither_the_shipped_policy_nor_another_artifact_is_replaced(tmp_path: Path) -> None:
    start = read_start(SHIPPED)
    with pytest.raises(AuditTrainingError, match="the package's own policies are not replaced"):
        target(SHIPPED, start)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "manifest.json").write_text("{}")
    with pytest.raises(AuditTrainingError, match="there is an artifact already"):
        target(tmp_path / "mine", start)
    with pytest.raises(AuditTrainingError, match="lower case"):
        target(tmp_path / "Mine!", start)
    assert target(None, start) == Path("runs/policies/default-from-audit")


def test_the_start_is_the_shipped_network() -> None:
    start, policy = read_start(SHIPPED), LearnedPolicy(load_artifact(SHIPPED))
    inputs = Features(names(3), start.manifest.features)
    raw = np.random.default_rng(2).uniform(0, 5, (50, len(names(3)))).astype(np.float32)
    logits = start.network.forward(inputs.apply(raw))
    chosen = start.manifest.options.apply(
        raw, np.stack([part.argmax(1) for part in np.split(logits, [20, 28, 32], axis=1)], axis=1)
    )
    assert chosen.tolist() == policy.actions(raw).tolist()


def test_episodes_are_pieces_of_what_was_recorded(found: Material) -> None:
    episodes, stretch = RecordedEpisodes(found.scenes), found.scenes[0].stretch
    drawn = [episodes.draw(np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
    for setting in drawn:
        assert stretch.start <= setting.start
        assert setting.start + setting.duration_s <= stretch.start + stretch.duration_s + 1e-6
        assert setting.workload is found.scenes[0].workload
        assert setting.edge is found.scenes[0].edge
        assert setting.simulated().now == setting.start


def test_it_trains_writes_a_new_artifact_and_says_whether_that_helped(found: Material, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in SHIPPED.iterdir()}
    to, work = tmp_path / "tuned", tmp_path / "work"
    train(found, read_start(SHIPPED), to, BRIEF, imitation=GLANCE, environments=4, work=work, progress=False)
    judgement = compare(found, SHIPPED, to, report=lambda _: None)
    artifact = load_artifact(to)
    training = artifact.manifest.training
    assert (artifact.manifest.name, training["from"]) == ("tuned", read_start(SHIPPED).manifest.digest)
    assert training["log"] == found.fingerprint
    assert artifact.manifest.scores == json.loads(json.dumps(judgement.to_dict()))
    assert len(judgement.before) == len(judgement.after) == 1
    assert judgement.verdict is Verdict.NO_DIFFERENCE, "one piece says nothing of the spread"
    assert judgement.verdict.value in judgement.text()
    assert {path: path.read_bytes() for path in SHIPPED.iterdir()} == before
    old = load_artifact(SHIPPED).manifest
    assert artifact.manifest.files != old.files, "something was learned"
    for name, known in old.ranges.items():
        assert (artifact.manifest.ranges[name].low or 0) <= (known.low or 0), "what it knew it still knows"


def judged(before: str, after: str) -> Judgement:
    """Rules against each other on three pieces of an hour."""
    (stretch,) = course_of(simulated_looks(3.0)).stretches()
    fitted = fit([stretch])
    hours = [stretch.between(stretch.start + 3600 * n, stretch.start + 3600 * (n + 1)) for n in range(3)]
    held_out = [Piece(hour, fitted) for hour in hours if hour is not None]
    return judge(held_out, rule(before), rule(after), fallback=rule("Rate"), meta=None, report=lambda _: None)


def test_the_verdict_follows_the_interval_of_the_paired_difference() -> None:
    assert judged("Fixed:executors=1", "RateAhead").verdict is Verdict.HELPED
    assert judged("RateAhead", "Fixed:executors=1").verdict is Verdict.HARMED
    same = judged("RateAhead", "RateAhead")
    assert (same.verdict, same.reward.mean, same.cost.mean) == (Verdict.NO_DIFFERENCE, 0.0, 0.0)


def test_pieces_cover_a_stretch_and_end_with_it() -> None:
    fitted = fit(course_of(simulated_looks(0.5)).stretches())
    (stretch,) = course_of([look(10.0 * n) for n in range(5580)]).stretches()
    cut = [piece.stretch.duration_s for piece in pieces([stretch], fitted)]
    assert cut == [PIECE_S - 10, PIECE_S - 10, 3.5 * 3600 - 10]
