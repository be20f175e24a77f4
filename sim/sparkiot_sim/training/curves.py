"""Learning curves as pictures: what a training reached, update by update."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from .checkpoint import Row

LABELS: Mapping[str, str] = {
    "reward": "mean reward of a step",
    "expected_loss": "expected loss of imitation",
    "kl": "KL divergence of an update",
    "entropy": "entropy of the policy (nat)",
    "explained": "explained variance of the critic",
    "critic_loss": "loss of the critics",
    "actor_loss": "loss of the actor",
}


def draw(path: Path, *, title: str, curve: Sequence[Row], smooth: int = 5) -> None:
    """Write a PNG with a panel for each quantity of the curve, over steps in thousands; none for a run too short to
    have one. smooth: updates averaged."""
    shown = [name for name in LABELS if any(name in row for row in curve)]
    if not shown:
        return
    figure = Figure(figsize=(4.2 * len(shown), 3.2), layout="constrained")
    axes = figure.subplots(1, len(shown), squeeze=False)
    for panel, name in zip(axes[0], shown, strict=True):
        points = [(row["steps"] / 1000, row[name]) for row in curve if name in row]
        x, y = [p[0] for p in points], [p[1] for p in points]
        panel.plot(x, y, color="#9ecae1", linewidth=1)
        panel.plot(x, _smoothed(y, smooth), color="#08519c", linewidth=2)
        panel.set(xlabel="steps (thousands)", title=LABELS[name])
        panel.grid(alpha=0.3)
    figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def _smoothed(values: Sequence[float], width: int) -> list[float]:
    """Mean of each value and those up to ``width`` before it."""
    return [sum(part := values[max(i - width, 0) : i + 1]) / len(part) for i in range(len(values))]
