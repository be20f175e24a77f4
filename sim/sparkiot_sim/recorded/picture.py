"""What policies would have made of recorded jobs, as a picture: cost against attainment, a panel a job."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from .play import Outcome


def draw(jobs: Mapping[str, Mapping[str, Outcome]], path: Path) -> None:
    """Write a PNG; up and left is better. jobs: outcomes by job and by what acted, at least one."""
    figure = Figure(figsize=(5.5 * len(jobs), 4.5), layout="constrained")
    for axes, (job, outcomes) in zip(figure.subplots(1, len(jobs), squeeze=False)[0], jobs.items(), strict=True):
        for number, (name, outcome) in enumerate(outcomes.items()):
            axes.plot(
                outcome.cost_dollars,
                100 * outcome.attainment,
                "*" if number == 0 else "o",
                markersize=12 if number == 0 else 7,
                label=name,
            )
        hours = max(outcome.hours for outcome in outcomes.values())
        axes.set_title(f"{job}, {hours:.1f} hours in the simulator", fontsize=10)
        axes.set_xlabel("dollars")
        axes.set_ylabel("batches within the objective, %")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
