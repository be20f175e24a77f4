"""Importing Stable-Baselines3 archives: what converts, what is refused, and that nothing in them runs."""

import base64
import copy
import os
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support_policies import random_mlp
from support_sb3 import (
    PPO_SETTINGS,
    TD3_SETTINGS,
    number,
    ppo_tensors,
    state_pickle,
    td3_tensors,
    text,
    torch_file,
    write_archive,
    write_sb3,
)

from sparkiot_policies.artifact import load_artifact
from sparkiot_policies.errors import ArtifactError
from sparkiot_policies.features import Feature, Features
from sparkiot_policies.graph import build
from sparkiot_policies.inference import Session
from sparkiot_policies.manifest import CONTEXT_ELEMENTS, Range
from sparkiot_policies.mlp import Activation, Layer, Mlp
from sparkiot_policies.observation import names
from sparkiot_policies.proof import observations, prove
from sparkiot_policies.sb3 import import_sb3, read_sb3

NETWORK = random_mlp(13, 16, 35)


def ppo(path: Path, *, network: Mlp = NETWORK, **settings: Any) -> Path:
    return write_sb3(path, tensors=ppo_tensors(network), settings=PPO_SETTINGS | settings)


def test_ppo_weights_activation_and_ranges_are_read(tmp_path: Path) -> None:
    network = random_mlp(13, 16, 8, 35, activation=Activation.ELU)
    kwargs = {":type:": "<class 'dict'>", "activation_fn": "<class 'torch.nn.modules.activation.ELU'>"}
    model = read_sb3(ppo(tmp_path / "m.zip", network=network, policy_kwargs=kwargs))
    assert (model.kind, model.network.hidden, model.network.activation) == ("ppo", (16, 8), Activation.ELU)
    for found, written in zip(model.network.layers, network.layers, strict=True):
        np.testing.assert_array_equal(found.weight, written.weight)
        np.testing.assert_array_equal(found.bias, written.bias)
    assert model.ranges is not None
    assert model.ranges[4:6] == (Range(low=0, high=10000), Range(low=0, high=None))
    assert (model.version, model.timesteps) == ("2.9.2", 1000)


def test_import_writes_an_artifact_that_acts_as_the_archive(tmp_path: Path) -> None:
    imported = import_sb3(ppo(tmp_path / "m.zip"), tmp_path / "a", name="mine")
    artifact = load_artifact(tmp_path / "a", imported.manifest.digest)
    assert imported.proof.samples >= 10_000
    x = observations(names(1), samples=1000, seed=7)
    (logits,) = artifact.session.run(["logits"], x)
    np.testing.assert_allclose(logits, NETWORK.forward(x), rtol=1e-4, atol=1e-4)
    assert artifact.manifest.ranges["latency"] == Range(low=0, high=10000)
    assert artifact.manifest.training["source"] == "m.zip"


def test_a_meta_controller_imports(tmp_path: Path) -> None:
    network = random_mlp(5, 8, 3, activation=Activation.RELU)
    archive = write_sb3(tmp_path / "m.zip", tensors=td3_tensors(network), settings=TD3_SETTINGS)
    manifest = import_sb3(archive, tmp_path / "a", name="meta").manifest
    assert (manifest.kind, manifest.context_schema, manifest.elements) == ("td3", 1, CONTEXT_ELEMENTS)


def test_a_linear_policy_and_the_shared_layers_of_old_releases_import(tmp_path: Path) -> None:
    assert read_sb3(ppo(tmp_path / "linear.zip", network=random_mlp(13, 35))).network.hidden == ()
    tensors = ppo_tensors(random_mlp(13, 16, 8, 35))
    for part in ("weight", "bias"):
        tensors[f"mlp_extractor.shared_net.0.{part}"] = tensors.pop(f"mlp_extractor.policy_net.0.{part}")
        tensors[f"mlp_extractor.policy_net.0.{part}"] = tensors.pop(f"mlp_extractor.policy_net.2.{part}")
    old = write_sb3(tmp_path / "old.zip", tensors=tensors, settings=PPO_SETTINGS)
    assert read_sb3(old).network.hidden == (16, 8)


def test_features_of_training_become_part_of_the_graph(tmp_path: Path) -> None:
    network = random_mlp(2, 8, 35)
    space = {"_shape": [2], "low": "[0. 0.]", "high": "[1. 1.]"}
    features = (Feature(element="workload_rate", scale=1e-3), Feature(element="cpu", transform="log1p", scale=0.2))
    archive = ppo(tmp_path / "m.zip", network=network, observation_space=space)
    manifest = import_sb3(archive, tmp_path / "a", name="x", observation_schema=2, features=features).manifest
    x = observations(names(2), samples=100, seed=1)
    (logits,) = load_artifact(tmp_path / "a").session.run(["logits"], x)
    np.testing.assert_allclose(logits, network.forward(Features(names(2), features).apply(x)), rtol=1e-4, atol=1e-4)
    assert manifest.ranges["cpu"] == Range(low=0, high=100)


def test_a_graph_that_is_not_the_archive_fails_the_proof() -> None:
    inputs = Features(names(1))
    last = NETWORK.layers[-1]
    weight = last.weight.copy()
    weight[3, 5] += 0.01
    other = Mlp((*NETWORK.layers[:-1], Layer(weight, last.bias)), NETWORK.activation)
    session = Session(build(kind="ppo", network=other, features=inputs))
    with pytest.raises(ArtifactError, match="differs from the archive at observation"):
        prove(session, kind="ppo", network=NETWORK, features=inputs, samples=1000, seed=0)


def test_ties_are_counted_not_refused() -> None:
    # Two executors' logits are one sum in two orders: equal, up to the last bit of single precision.
    weight = np.zeros((35, 13), dtype=np.float32)
    weight[4], weight[9] = 0.1, 0.1
    weight[9, 0] = np.nextafter(np.float32(0.1), np.float32(1))
    network = Mlp((Layer(weight, np.zeros(35, dtype=np.float32)),), Activation.TANH)
    inputs = Features(names(1))
    session = Session(build(kind="ppo", network=network, features=inputs))
    proof = prove(session, kind="ppo", network=network, features=inputs, samples=2000, seed=0)
    assert 0 < proof.ties < proof.samples


def _rename(old: str, new: str) -> Callable[[dict[str, np.ndarray]], None]:
    def change(tensors: dict[str, np.ndarray]) -> None:
        for part in ("weight", "bias"):
            tensors[f"{new}.{part}"] = tensors.pop(f"{old}.{part}")

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_rename("action_net", "q_net.q_net.0"), "neither PPO nor TD3 with an MLP policy"),
        (_rename("value_net", "features_extractor.cnn.0"), r"this one has features_extractor\.cnn\.0\.bias"),
        (_rename("mlp_extractor.policy_net.0", "mlp_extractor.policy_net.1"), "more than linear layers"),
        (lambda t: t.pop("action_net.bias"), r"action_net\.bias is missing"),
        (lambda t: t.update({"action_net.bias": np.zeros(34, np.float32)}), "a linear layer of weight"),
        (lambda t: t.update({"action_net.bias": np.full(35, np.nan, np.float32)}), "NaN or infinite"),
        (lambda t: t.update({"action_net.weight": np.ones((35, 15), np.float32)}), "takes 15 inputs"),
    ],
)
def test_networks_other_than_a_plain_mlp_are_refused(
    tmp_path: Path, change: Callable[[dict[str, np.ndarray]], None], reason: str
) -> None:
    tensors = ppo_tensors(NETWORK)
    change(tensors)
    with pytest.raises(ArtifactError, match=reason) as error:
        read_sb3(write_sb3(tmp_path / "m.zip", tensors=tensors, settings=PPO_SETTINGS))
    assert str(tmp_path / "m.zip") in str(error.value)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"action_space": {"nvec": "[20 8 4]"}}, r"action space MultiDiscrete\(\[20.*is needed"),
        ({"action_space": {":type:": "<class 'Discrete'>", "n": 5}}, "action space <class 'Discrete'>"),
        ({"observation_space": {"_shape": [12]}}, r"observation space of shape \[12\]"),
        ({"use_sde": True}, "use_sde"),
        ({"policy_kwargs": {"activation_fn": "<class 'torch.nn.modules.activation.GELU'>"}}, "GELU.*supported: Tanh"),
        ({"policy_kwargs": {"activation_fn": "functools.partial(LeakyReLU, 0.5)"}}, "not supported"),
        ({"policy_kwargs": {"features_extractor_class": "<class 'mine.Net'>"}}, "features_extractor_class=.*mine"),
        ({"policy_kwargs": {"squash_output": True}}, "squash_output=True"),
        ({"policy_kwargs": [1]}, "policy_kwargs is not readable"),
    ],
)
def test_settings_that_change_how_a_policy_acts_are_refused(
    tmp_path: Path, settings: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ArtifactError, match=reason):
        read_sb3(ppo(tmp_path / "m.zip", **settings))


def test_a_rescaled_td3_action_is_refused(tmp_path: Path) -> None:
    settings = copy.deepcopy(TD3_SETTINGS)
    settings["action_space"]["low"] = "[0. 0. 0.]"
    archive = write_sb3(tmp_path / "m.zip", tensors=td3_tensors(random_mlp(5, 8, 3)), settings=settings)
    with pytest.raises(ArtifactError, match="from -1 to 1 is needed"):
        read_sb3(archive)


def test_another_observation_schema_than_trained_on_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="takes 13 numbers; observation schema 2 has 31"):
        import_sb3(ppo(tmp_path / "m.zip"), tmp_path / "a", name="x", observation_schema=2)
    assert not (tmp_path / "a").exists()


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_runs_code_is_refused_by_name_and_does_not_run(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "pwned"
    payload = pickle.dumps(Payload(target), protocol=protocol)
    pickle.loads(payload)
    assert target.exists(), "the payload must be live for this test to mean anything"
    target.unlink()

    policy = torch_file(payload, {})
    archive = write_archive(tmp_path / "m.zip", data=b"{}", policy=policy)
    with pytest.raises(ArtifactError, match=r"policy\.pth: asks for posix\.system"):
        read_sb3(archive)
    assert not target.exists()


def test_pickles_inside_of_data_stay_text(tmp_path: Path) -> None:
    target = tmp_path / "pwned"
    blob = base64.b64encode(pickle.dumps(Payload(target))).decode()
    settings = copy.deepcopy(PPO_SETTINGS)
    settings["policy_kwargs"] = {":type:": "<class 'dict'>", ":serialized:": blob, "net_arch": [16]}
    settings["observation_space"][":serialized:"] = settings["action_space"][":serialized:"] = blob
    settings["policy_class"] = {":type:": "<class 'abc.ABCMeta'>", ":serialized:": blob}
    read_sb3(write_sb3(tmp_path / "m.zip", tensors=ppo_tensors(NETWORK), settings=settings))
    assert not target.exists()


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (b"\x80\x02cbuiltins\neval\n" + text("1") + b"\x85R.", r"asks for builtins\.eval"),
        (b"\x80\x02ctorch\nDoubleStorage\n.", r"asks for torch\.DoubleStorage; only float32"),
        (b"\x80\x02(ios\nsystem\n.", "instruction INST is not allowed"),
        (b"\x80\x02}" + b"r\xff\xff\xff\x7f" + b".", "0 layers|neither PPO nor TD3"),
        (b"\x80\x02].", "instruction EMPTY_LIST is not allowed"),
        (b"\x80\x02" + number(1) + b".", "no dictionary of tensors"),
        (b"\x80\x02" + text("a") + b"b.", "damaged"),
        (b"\x80\x02}" + text("a") + number(1) + b"s.", "'a' is not a tensor"),
        (b"\x80\x02}" + b"0" * 3, "damaged|not allowed"),
        (b"\x80\x02})" + b"\x85" * 150_000 + b"Ns.", "a tuple as a key"),
        (b"\x80\x02" + b"N" * 300_000 + b".", "more than 200000 instructions"),
        (b"", "damaged"),
    ],
)
def test_unusual_pickles_are_refused(tmp_path: Path, program: bytes, reason: str) -> None:
    archive = write_archive(tmp_path / "m.zip", data=b"{}", policy=torch_file(program, {}))
    with pytest.raises(ArtifactError, match=reason):
        read_sb3(archive)


def test_a_tensor_may_not_reach_beyond_its_storage(tmp_path: Path) -> None:
    tensors = ppo_tensors(NETWORK)
    program = state_pickle(tensors)
    smaller = {name: tensor.ravel()[:-1] for name, tensor in tensors.items()}
    archive = write_archive(tmp_path / "m.zip", data=b"{}", policy=torch_file(program, smaller))
    with pytest.raises(ArtifactError, match="reaches beyond its data"):
        read_sb3(archive)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("not a zip")
    (tmp_path / "empty.zip").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as z:
        z.writestr("readme", "hello")
    with zipfile.ZipFile(tmp_path / "climbs.zip", "w") as z:
        z.writestr("../data", "{}")
    for path, reason in {
        "text.zip": "damaged",
        "empty.zip": "damaged",
        "other.zip": "data is missing",
        "climbs.zip": "points outside",
        "absent.zip": "no such file",
        ".": "a folder",
    }.items():
        with pytest.raises(ArtifactError, match=reason):
            read_sb3(tmp_path / path)


def test_settings_that_are_not_json_are_refused(tmp_path: Path) -> None:
    policy = torch_file(state_pickle(ppo_tensors(NETWORK)), ppo_tensors(NETWORK))
    for data, reason in ((b"\xff", "not JSON"), (b"[1]", "not a JSON object"), (b"[" * 100_000, "not JSON")):
        with pytest.raises(ArtifactError, match=reason):
            read_sb3(write_archive(tmp_path / "m.zip", data=data, policy=policy))


def test_a_damaged_archive_is_refused_or_read_and_never_anything_else(tmp_path: Path) -> None:
    """Flips and cuts anywhere: the zip's checksums catch most, the interpreter and the checks the rest."""
    whole = ppo(tmp_path / "whole.zip").read_bytes()
    damaged = tmp_path / "damaged.zip"
    chance = random.Random(0)
    refused = 0
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 1, 8))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        cut = len(data) if chance.random() < 0.7 else chance.randrange(len(data))
        damaged.write_bytes(data[:cut])
        try:
            read_sb3(damaged)
        except ArtifactError:
            refused += 1
    assert refused > 200


@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")
def test_a_damaged_pickle_is_refused_or_read_and_never_anything_else(tmp_path: Path) -> None:
    """Without the zip's checksum in the way, as whoever forges an archive writes a matching one."""
    tensors = ppo_tensors(NETWORK)
    program = state_pickle(tensors)
    data = b"{}"
    chance = random.Random(1)
    for _ in range(400):
        forged = bytearray(program)
        for _ in range(chance.choice((1, 2, 8))):
            forged[chance.randrange(len(forged))] = chance.randrange(256)
        archive = write_archive(tmp_path / "m.zip", data=data, policy=torch_file(bytes(forged), tensors))
        with pytest.raises(ArtifactError):  # at the latest because of its empty settings
            read_sb3(archive)
