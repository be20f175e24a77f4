"""Training of the thesis arena's meta-controller, briefly."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("stable_baselines3", reason="the train extra (torch, Stable-Baselines3) is not installed")

from stable_baselines3 import TD3

from sparkiot_policies import library
from sparkiot_policies.artifact import load_artifact
from sparkiot_policies.manifest import CONTEXTS
from sparkiot_sim.thesis.draws import STEPS
from sparkiot_sim.thesis.governed import PERIOD
from sparkiot_sim.training.checkpoint import Checkpoint
from sparkiot_sim.training.thesis_meta import SETTINGS, ThesisMetaBatch, train

pytestmark = pytest.mark.train
POLICY = library.locate("thesis")
BRIEF = replace(SETTINGS, total_steps=80, environments=8, warm_up_steps=16, gradient_steps=1)


def test_a_run_is_ten_steps_and_the_best_fixed_weights_gain_nothing_over_themselves() -> None:
    batch = ThesisMetaBatch(BRIEF, POLICY)
    shown = batch.reset()
    assert shown.shape == (8, len(CONTEXTS[1]))
    best = np.array(batch.best)
    # The inverse of the graph's map: shares of the largest.
    actions = np.tile(2 * (best / best.max() - 0.001) - 1, (8, 1)).astype(np.float32)
    cheap = actions.copy()
    cheap[:4] = [1.0, -1.0, -1.0]
    for number in range(1, STEPS // PERIOD + 1):
        step = batch.step(cheap)
        assert step.rewards[4:] == pytest.approx(np.zeros(4), abs=0.2)
        assert (step.rewards[:4] < -0.9).all()
        assert step.done.all() == (number == STEPS // PERIOD)
        assert np.isfinite(step.observations).all()


def test_a_killed_run_goes_on_and_writes_a_whole_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "work"
    save = Checkpoint.save

    def killed(self: Checkpoint, model: TD3, *, stage: str, minutes: float) -> None:
        save(self, model, stage=stage, minutes=minutes)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", killed)
        patch.setattr("sparkiot_sim.training.td3.SAVE_EVERY", 5)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "artifact", POLICY, BRIEF, work=work, progress=False)
    assert json.loads((work / "state.json").read_text())["steps"] == 40
    manifest = train(tmp_path / "artifact", POLICY, BRIEF, work=work, progress=False)
    assert manifest == load_artifact(tmp_path / "artifact").manifest
    assert (manifest.training["resumed"], manifest.training["timesteps"]) == (1, BRIEF.total_steps)
    assert manifest.training["policy"] == load_artifact(POLICY).manifest.digest
    assert "bound" in manifest.scores["weights_by"]
    assert (work / "curve.png").stat().st_size > 10_000
