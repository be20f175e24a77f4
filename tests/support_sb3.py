"""Archives laid out as Stable-Baselines3 and PyTorch write them, made without either."""

import io
import json
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sparkiot_policies.mlp import Mlp

Tensors = Mapping[str, np.ndarray]

PPO_SETTINGS: dict[str, Any] = {
    "policy_kwargs": {},
    "use_sde": False,
    "num_timesteps": 1000,
    "observation_space": {
        ":type:": "<class 'gymnasium.spaces.box.Box'>",
        ":serialized:": "gASV",
        "_shape": [13],
        "low": "[" + " ".join(["0."] * 13) + "]",
        "high": "[1000. 1000.  100.  100.\n 1.e+04  inf  1. 1. 1. 10000. 1. 1000. 1.]",
    },
    "action_space": {
        ":type:": "<class 'gymnasium.spaces.multi_discrete.MultiDiscrete'>",
        ":serialized:": "gASV",
        "nvec": "[20  8  4  3]",
        "_shape": [4],
    },
}
TD3_SETTINGS: dict[str, Any] = {
    "policy_kwargs": {},
    "observation_space": {"_shape": [5], "low": "[0. 0. 0. 0. 0.]", "high": "[1. 1. 1. 1. 1.]"},
    "action_space": {"_shape": [3], "low": "[-1. -1. -1.]", "high": "[1. 1. 1.]"},
}


def ppo_tensors(network: Mlp) -> dict[str, np.ndarray]:
    """A PPO policy's state dictionary, with a linear critic."""
    tensors = {}
    for i, layer in enumerate(network.layers[:-1]):
        tensors[f"mlp_extractor.policy_net.{2 * i}.weight"] = layer.weight
        tensors[f"mlp_extractor.policy_net.{2 * i}.bias"] = layer.bias
    tensors["action_net.weight"] = network.layers[-1].weight
    tensors["action_net.bias"] = network.layers[-1].bias
    return tensors | {"value_net.weight": np.ones((1, 13), np.float32), "value_net.bias": np.ones(1, np.float32)}


def td3_tensors(network: Mlp) -> dict[str, np.ndarray]:
    """A TD3 policy's state dictionary, without its critics."""
    tensors = {}
    for i, layer in enumerate(network.layers):
        tensors[f"actor.mu.{2 * i}.weight"] = layer.weight
        tensors[f"actor.mu.{2 * i}.bias"] = layer.bias
    return tensors


def write_sb3(path: Path, *, tensors: Tensors, settings: Mapping[str, Any]) -> Path:
    """An archive of these weights and settings."""
    return write_archive(path, data=json.dumps(settings).encode(), policy=torch_file(state_pickle(tensors), tensors))


def write_archive(path: Path, *, data: bytes, policy: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data", data)
        archive.writestr("policy.pth", policy)
        archive.writestr("_stable_baselines3_version", "2.9.2")
    return path


def torch_file(pickle: bytes, tensors: Tensors) -> bytes:
    """A PyTorch zip of a pickle and one storage a tensor."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle)
        archive.writestr("archive/byteorder", "little")
        for i, tensor in enumerate(tensors.values()):
            archive.writestr(f"archive/data/{i}", tensor.astype("<f4").tobytes())
    return buffer.getvalue()


def state_pickle(tensors: Tensors) -> bytes:
    """The pickle of a state dictionary, instruction by instruction as PyTorch writes it."""
    program = b"\x80\x02ccollections\nOrderedDict\n)R("
    for i, (name, tensor) in enumerate(tensors.items()):
        strides = tuple(s // tensor.itemsize for s in np.ascontiguousarray(tensor).strides)
        program += text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(("
        program += text("storage") + b"ctorch\nFloatStorage\n" + text(str(i)) + text("cpu") + number(tensor.size)
        program += b"tQ" + number(0) + numbers(tensor.shape) + numbers(strides)
        program += b"\x89ccollections\nOrderedDict\n)RtR"
    return program + b"u."


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"
