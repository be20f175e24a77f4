"""The network of an artifact as the start of a training: what a policy knows already is not learned again."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from stable_baselines3 import PPO
from torch import nn

from sparkiot_policies.archive import read_files
from sparkiot_policies.artifact import MAX_GRAPH, load_artifact
from sparkiot_policies.errors import ArtifactError
from sparkiot_policies.manifest import GRAPH_FILE, Manifest
from sparkiot_policies.mlp import Activation, Layer, Mlp


@dataclass(frozen=True, slots=True)
class Start:
    """A policy to go on from."""

    manifest: Manifest
    network: Mlp


def read_start(path: Path) -> Start:
    """The manifest and the network of a policy's artifact. Raises ArtifactError, also for a network of another kind
    than is trained here (linear layers, ReLU)."""
    manifest = load_artifact(path).manifest
    if manifest.kind != "ppo" or manifest.network.activation is not Activation.RELU:
        raise ArtifactError(
            f"{path}: a {manifest.kind} network of {manifest.network.activation}; ppo of ReLU is needed"
        )
    model = onnx.load(io.BytesIO(read_files(path, {GRAPH_FILE: MAX_GRAPH})[GRAPH_FILE]))
    arrays = {constant.name: numpy_helper.to_array(constant) for constant in model.graph.initializer}
    layers = [
        Layer(np.array(arrays[node.input[1]]), np.array(arrays[node.input[2]]))
        for node in model.graph.node
        if node.op_type == "Gemm"
    ]
    network = Mlp(tuple(layers), Activation.RELU) if layers else None
    if network is None or (network.hidden, network.outputs) != (manifest.network.hidden, manifest.network.outputs):
        raise ArtifactError(f"{path}: {GRAPH_FILE} holds other layers than the manifest says")
    return Start(manifest, network)


def start_from(model: PPO, network: Mlp) -> None:
    """Give a fresh model's policy the network's weights; its critic stays as it is. Raises ValueError where sizes
    differ."""
    policy = model.policy
    modules = (*policy.mlp_extractor.policy_net, policy.action_net)
    targets = [module for module in modules if isinstance(module, nn.Linear)]
    if [tuple(t.weight.shape) for t in targets] != [layer.weight.shape for layer in network.layers]:
        raise ValueError(f"the network's layers are {network.hidden}, the model's are others")
    with torch.no_grad():
        for target, layer in zip(targets, network.layers, strict=True):
            target.weight.copy_(torch.from_numpy(layer.weight))
            target.bias.copy_(torch.from_numpy(layer.bias))
