"""A start for PPO: imitation of a teacher that knows the load to come (DAgger, Ross et al. 2011, arXiv:1011.0686).

The network sees only observations, and minimises the loss that its own actions are expected to have under the teacher's
losses. So it does not copy what a clairvoyant does; it learns what is best on average, given what can be known.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3 import PPO

from sparkiot_policies.allocation import ACTION_SIZES
from sparkiot_policies.features import Features

from .checkpoint import UPDATES, Checkpoint, Clock
from .cluster_batch import ClusterBatch
from .vec_env import Observations

Actions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainSettings:
    """rounds: of collecting and fitting. teacher_first: the teacher acts in the first of them. steps: of each
    environment in a round. ask_every: steps between two questions to the teacher, as neighbouring states teach the
    same. explore: share of actions that are random. temperature: of the policy around the best action, in units of the
    reward, so that PPO has something to compare. epochs: over all that was collected; few, as a policy that fits its
    teacher closely flutters between options that are nearly equal, and stabilisation keeps the highest of them.
    learning_rate, weight_decay, batch_size: of AdamW."""

    rounds: int = 2
    teacher_first: bool = True
    steps: int = 600
    ask_every: int = 3
    explore: float = 0.1
    temperature: float = 0.02
    epochs: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    batch_size: int = 512


@dataclass(slots=True)
class Collected:
    """What a round has collected at the steps that the teacher was asked about. observations: raw, (N, elements).
    losses: (N, 35). returns: (N,), discounted."""

    observations: Observations
    losses: npt.NDArray[np.float32]
    returns: npt.NDArray[np.float32]

    def save(self, path: Path) -> None:
        """Write all of it, or nothing."""
        begun = path.with_name("next.npz")
        np.savez(begun, observations=self.observations, losses=self.losses, returns=self.returns)
        begun.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Collected":
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["observations"], arrays["losses"], arrays["returns"])


def pretrain(
    model: PPO,
    batch: ClusterBatch,
    features: Features,
    settings: PretrainSettings,
    checkpoint: Checkpoint,
    *,
    report: Callable[[str], None],
) -> Observations:
    """Fit actor and critic; returns the raw observations that were met, (N, elements). A round that the checkpoint's
    folder holds is not collected again."""
    clock = Clock(checkpoint.minutes)
    collected: list[Collected] = []
    for number in range(settings.rounds):
        rng = np.random.default_rng([model.seed or 0, number])
        kept = checkpoint.folder / f"round-{number}.npz"
        if not kept.is_file():
            _collect(model, batch, features, settings, rng, teacher_acts=settings.teacher_first and number == 0).save(
                kept
            )
        collected.append(Collected.load(kept))
        loss = _fit_actor(model, features, collected, settings)
        report(f"imitation round {number + 1} of {settings.rounds}: expected loss {loss:.3f}, {clock.minutes:.1f} min")
        checkpoint.curve.append({"steps": float(sum(len(c.returns) for c in collected)), "expected_loss": loss})
    _fit_critic(model, features, collected[1:] or collected, settings)
    checkpoint.save(model, stage=UPDATES, minutes=clock.minutes)
    return met(checkpoint.folder)


def met(folder: Path) -> Observations:
    """The raw observations of all rounds that a checkpoint's folder holds."""
    return np.concatenate([Collected.load(path).observations for path in sorted(folder.glob("round-*.npz"))])


def _collect(
    model: PPO,
    batch: ClusterBatch,
    features: Features,
    settings: PretrainSettings,
    rng: np.random.Generator,
    *,
    teacher_acts: bool,
) -> Collected:
    observations, losses, rewards, done = [], [], [], []
    seen = batch.reset()
    for number in range(settings.steps):
        if number % settings.ask_every == 0:
            expected = batch.losses()
            observations.append(seen)
            losses.append(expected)
        actions = _best(-expected) if teacher_acts else _best(_logits(model, features.apply(seen)))
        step = batch.step(_explore(actions, rng, settings.explore))
        rewards.append(step.rewards)
        done.append(step.done)
        seen = step.observations
    with torch.no_grad():
        last = model.policy.predict_values(torch.as_tensor(features.apply(seen))).numpy()[:, 0]
    returns = _returns(
        np.array(rewards), np.array(done), last if not teacher_acts else np.zeros_like(last), model.gamma
    )
    return Collected(
        np.concatenate(observations), np.concatenate(losses), np.concatenate(returns[:: settings.ask_every])
    )


def _explore(actions: Actions, rng: np.random.Generator, share: float) -> Actions:
    """Move some executor counts by up to four, so that states off the path are met too."""
    moved = actions.copy()
    chosen = rng.random(len(actions)) < share
    moved[chosen, 0] = np.clip(actions[chosen, 0] + rng.integers(-4, 5, chosen.sum()), 0, ACTION_SIZES[0] - 1)
    return moved


def _returns(
    rewards: npt.NDArray[np.float64], done: npt.NDArray[np.bool_], last: npt.NDArray[np.float32], gamma: float
) -> npt.NDArray[np.float32]:
    """Discounted sums of rewards, shape (steps, environments)."""
    following, found = last.astype(np.float64), np.empty_like(rewards)
    for t in range(len(rewards) - 1, -1, -1):
        following = rewards[t] + gamma * np.where(done[t], 0.0, following)
        found[t] = following
    return found.astype(np.float32)


def _fit_actor(model: PPO, features: Features, collected: list[Collected], settings: PretrainSettings) -> float:
    seen = torch.as_tensor(np.concatenate([features.apply(c.observations) for c in collected]))
    losses = torch.as_tensor(np.concatenate([c.losses for c in collected]))
    policy = model.policy
    parameters = [*policy.mlp_extractor.policy_net.parameters(), *policy.action_net.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    total = 0.0
    for epoch in range(settings.epochs):
        total = 0.0
        for chosen in _minibatches(len(seen), settings.batch_size):
            logits = policy.action_net(policy.mlp_extractor.forward_actor(seen[chosen]))
            parts = zip(_parts(logits), _parts(losses[chosen]), strict=True)
            loss = torch.stack([_expected(part, lost, settings.temperature) for part, lost in parts]).sum()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            total += loss.item() * len(chosen) / len(seen)
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * (1 - (epoch + 1) / settings.epochs) + 1e-5
    return total


def _minibatches(count: int, size: int) -> Iterator[torch.Tensor]:
    """Indices of all samples in random order, ``size`` at a time."""
    order = torch.randperm(count)
    for begin in range(0, count, size):
        yield order[begin : begin + size]


def _parts(values: torch.Tensor) -> list[torch.Tensor]:
    """The columns of each part of the action."""
    ends = np.cumsum(ACTION_SIZES).tolist()
    return [values[:, end - size : end] for size, end in zip(ACTION_SIZES, ends, strict=True)]


def _expected(logits: torch.Tensor, losses: torch.Tensor, temperature: float) -> torch.Tensor:
    """The loss that a policy of these logits expects, less its entropy at the temperature; both shape (N, actions)."""
    logs = logits.log_softmax(dim=1)
    return (logs.exp() * (losses + temperature * logs)).sum(dim=1).mean()


def _fit_critic(model: PPO, features: Features, collected: list[Collected], settings: PretrainSettings) -> None:
    seen = torch.as_tensor(np.concatenate([features.apply(c.observations) for c in collected]))
    returns = torch.as_tensor(np.concatenate([c.returns for c in collected]))
    policy = model.policy
    parameters = [*policy.mlp_extractor.value_net.parameters(), *policy.value_net.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=settings.learning_rate)
    for _ in range(settings.epochs):
        for chosen in _minibatches(len(seen), settings.batch_size):
            values = policy.value_net(policy.mlp_extractor.forward_critic(seen[chosen]))[:, 0]
            loss = torch.nn.functional.smooth_l1_loss(values, returns[chosen])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()


def _logits(model: PPO, seen: Observations) -> npt.NDArray[np.float32]:
    policy = model.policy
    with torch.no_grad():
        logits: npt.NDArray[np.float32] = policy.action_net(
            policy.mlp_extractor.forward_actor(torch.as_tensor(seen))
        ).numpy()
    return logits


def _best(scores: npt.NDArray[np.float32]) -> Actions:
    """The action of the highest score in each part, shape (N, 4)."""
    cuts = np.cumsum(ACTION_SIZES)[:-1]
    return np.stack([part.argmax(axis=1) for part in np.split(scores, cuts, axis=1)], axis=1)
