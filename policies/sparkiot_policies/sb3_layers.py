"""The acting part of a Stable-Baselines3 policy: which tensors make its layers, in which order.

PPO acts through mlp_extractor.shared_net (before release 1.8), mlp_extractor.policy_net and action_net; TD3 through
actor.mu. Critics and targets are left aside. Anything else changes how the policy acts, and is refused.
"""

import re
from collections.abc import Mapping

import numpy as np

from .graph import Kind
from .mlp import Layer
from .torch_weights import Array

MAX_LAYERS = 64

ACTING: Mapping[Kind, tuple[str, ...]] = {
    "ppo": ("mlp_extractor.shared_net.", "mlp_extractor.policy_net."),
    "td3": ("actor.mu.",),
}
PASSIVE: Mapping[Kind, tuple[str, ...]] = {
    "ppo": ("mlp_extractor.value_net.", "value_net."),
    "td3": ("actor_target.", "critic.", "critic_target."),
}
HEAD = "action_net"
"""PPO's last layer."""


def kind_of(tensors: Mapping[str, Array]) -> Kind:
    """Which algorithm's policy this is. Raises ValueError when it is neither."""
    if f"{HEAD}.weight" in tensors:
        return "ppo"
    if any(name.startswith(ACTING["td3"]) for name in tensors):
        return "td3"
    parts = ", ".join(sorted({name.split(".")[0] for name in tensors})) or "nothing"
    raise ValueError(f"neither PPO nor TD3 with an MLP policy: it holds {parts:.200}")


def layers_of(tensors: Mapping[str, Array], kind: Kind) -> tuple[Layer, ...]:
    """The linear layers from input to action. Raises ValueError when one is missing or there is more than those."""
    known = (*ACTING[kind], *PASSIVE[kind], *([f"{HEAD}."] if kind == "ppo" else []))
    if foreign := sorted(name for name in tensors if not name.startswith(known)):
        raise ValueError(f"only a plain MLP policy of PPO or TD3 can be imported; this one has {foreign[0]:.80}")
    names = [name for part in ACTING[kind] for name in _linear(tensors, part)] + ([HEAD] if kind == "ppo" else [])
    if len(names) > MAX_LAYERS:
        raise ValueError(f"{len(names)} layers; at most {MAX_LAYERS} are read")
    if missing := [t for name in names for t in (f"{name}.weight", f"{name}.bias") if t not in tensors]:
        raise ValueError(f"{missing[0]} is missing")
    return tuple(Layer(_contiguous(tensors[f"{n}.weight"]), _contiguous(tensors[f"{n}.bias"])) for n in names)


def _linear(tensors: Mapping[str, Array], part: str) -> list[str]:
    """Names of the linear layers of a sequence: its positions 0, 2, 4, …, with activations between them."""
    positions = {m.group(1) for name in tensors if (m := re.match(re.escape(part) + r"([^.]*)\.", name))}
    expected = [str(2 * i) for i in range(len(positions))]
    if positions != set(expected):
        raise ValueError(f"{part}* holds more than linear layers and activations")
    return [part + position for position in expected]


def _contiguous(tensor: Array) -> Array:
    return np.ascontiguousarray(tensor, dtype=np.float32)
