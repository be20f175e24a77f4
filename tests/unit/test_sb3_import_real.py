"""Archives that Stable-Baselines3 really wrote act the same after import, on 10,000 random observations."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sparkiot_policies.allocation import ACTION_SIZES
from sparkiot_policies.artifact import load_artifact
from sparkiot_policies.errors import ArtifactError
from sparkiot_policies.learned import LearnedMetaController, LearnedPolicy
from sparkiot_policies.manifest import CONTEXT_ELEMENTS
from sparkiot_policies.observation import names
from sparkiot_policies.proof import BOUNDS, observations
from sparkiot_policies.sb3 import import_sb3

pytestmark = pytest.mark.train
sb3 = pytest.importorskip("stable_baselines3", reason="needs the train extra (Stable-Baselines3)")
gymnasium = pytest.importorskip("gymnasium")
nn = pytest.importorskip("torch.nn", reason="needs the train extra (torch)")

SAMPLES = 10_000


def environment(elements: tuple[str, ...], actions: Any) -> Any:
    """An environment that only has spaces: the elements' bounds in raw units."""

    class Spaces(gymnasium.Env[Any, Any]):
        observation_space = gymnasium.spaces.Box(
            np.array([BOUNDS[e][0] for e in elements], dtype=np.float32),
            np.array([BOUNDS[e][1] for e in elements], dtype=np.float32),
        )
        action_space = actions

    return Spaces()


def ppo(path: Path, version: int = 1, **kwargs: Any) -> Any:
    """A PPO model with random weights on an observation schema, saved to a path."""
    env = environment(names(version), gymnasium.spaces.MultiDiscrete(ACTION_SIZES))
    model = sb3.PPO("MlpPolicy", env, n_steps=8, batch_size=8, device="cpu", seed=1, policy_kwargs=kwargs or None)
    model.save(path)
    return model


def actions_after_import(path: Path, folder: Path, x: np.ndarray, version: int = 1) -> np.ndarray:
    import_sb3(path, folder, name="x", observation_schema=version)
    return LearnedPolicy(load_artifact(folder)).actions(x)


@pytest.mark.parametrize("activation", ["Tanh", "ReLU", "ELU", "LeakyReLU", "Sigmoid", "SiLU"])
@pytest.mark.parametrize("net_arch", [[64, 64], {"pi": [32, 16], "vf": [8]}], ids=["shared-shape", "own-shape"])
def test_ppo_acts_the_same(tmp_path: Path, activation: str, net_arch: Any) -> None:
    model = ppo(tmp_path / "m.zip", activation_fn=getattr(nn, activation), net_arch=net_arch, ortho_init=False)
    x = observations(names(1), samples=SAMPLES, seed=11)
    expected, _ = model.predict(x, deterministic=True)
    found = actions_after_import(tmp_path / "m.zip", tmp_path / "a", x)
    assert_equal_but_ties(model, x, found, expected)
    assert len(np.unique(found, axis=0)) > 1, "a constant policy would prove nothing"


@pytest.mark.parametrize(
    ("version", "kwargs"), [(1, {}), (1, {"net_arch": []}), (2, {"net_arch": [128]})], ids=["default", "linear", "v2"]
)
def test_other_shapes_act_the_same(tmp_path: Path, version: int, kwargs: dict[str, Any]) -> None:
    model = ppo(tmp_path / "m.zip", version, **kwargs)
    x = observations(names(version), samples=SAMPLES, seed=12)
    expected, _ = model.predict(x, deterministic=True)
    assert_equal_but_ties(model, x, actions_after_import(tmp_path / "m.zip", tmp_path / "a", x, version), expected)


def assert_equal_but_ties(model: Any, x: np.ndarray, found: np.ndarray, expected: np.ndarray) -> None:
    """Equal actions; where not, PyTorch's own two logits differ by less than single precision resolves."""
    for row in np.flatnonzero((found != expected).any(axis=1)):
        tensor, _ = model.policy.obs_to_tensor(x[row : row + 1])
        for head, a, b in zip(
            model.policy.get_distribution(tensor).distribution, found[row], expected[row], strict=True
        ):
            logits = head.logits.detach().numpy()[0]
            assert abs(logits[a] - logits[b]) <= 1e-5 * max(1.0, np.abs(logits).max())


@pytest.mark.parametrize("kwargs", [{}, {"net_arch": [16], "activation_fn": nn.Tanh}], ids=["default", "small-tanh"])
def test_td3_weighs_the_same(tmp_path: Path, kwargs: dict[str, Any]) -> None:
    box = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    env = environment(CONTEXT_ELEMENTS, box)
    model = sb3.TD3("MlpPolicy", env, buffer_size=10, device="cpu", seed=1, policy_kwargs=kwargs or None)
    model.save(tmp_path / "m.zip")
    x = observations(CONTEXT_ELEMENTS, samples=SAMPLES, seed=13)
    actions, _ = model.predict(x, deterministic=True)
    raw = (actions + 1) / 2 + 1e-3
    import_sb3(tmp_path / "m.zip", tmp_path / "a", name="meta")
    found = LearnedMetaController(load_artifact(tmp_path / "a")).batch(x)
    np.testing.assert_allclose(found, raw / raw.sum(axis=1, keepdims=True), atol=1e-4)


@pytest.mark.parametrize(
    ("algorithm", "reason"),
    [("DQN", "neither PPO nor TD3"), ("SAC", r"this one has actor\.latent_pi"), ("PPO", "action space")],
)
def test_other_algorithms_and_spaces_are_refused(tmp_path: Path, algorithm: str, reason: str) -> None:
    box = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    env = environment(names(1), gymnasium.spaces.Discrete(4) if algorithm == "DQN" else box)
    size = {"n_steps": 8, "batch_size": 8} if algorithm == "PPO" else {"buffer_size": 10}
    getattr(sb3, algorithm)("MlpPolicy", env, device="cpu", **size).save(tmp_path / "m.zip")
    with pytest.raises(ArtifactError, match=reason):
        import_sb3(tmp_path / "m.zip", tmp_path / "a", name="x")


def test_custom_extractors_and_unknown_activations_are_refused(tmp_path: Path) -> None:
    ppo(tmp_path / "gelu.zip", activation_fn=nn.GELU)
    with pytest.raises(ArtifactError, match="GELU"):
        import_sb3(tmp_path / "gelu.zip", tmp_path / "a", name="x")
    ppo(tmp_path / "slope.zip", activation_fn=lambda: nn.LeakyReLU(0.5))
    with pytest.raises(ArtifactError, match=r"activation_fn .* is not supported"):
        import_sb3(tmp_path / "slope.zip", tmp_path / "a", name="x")
