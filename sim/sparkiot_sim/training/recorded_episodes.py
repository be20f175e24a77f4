"""Episodes of recorded jobs for the realistic arena: their load, their signals, a cluster fitted to them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sparkiot_policies.allocation import ACTION_SIZES
from sparkiot_policies.job import Job, Mode
from sparkiot_sim.calibration import Calibration
from sparkiot_sim.randomisation import draw_weights
from sparkiot_sim.recorded.course import Stretch
from sparkiot_sim.recorded.edge import RecordedEdge, recorded_edge
from sparkiot_sim.recorded.fit import Fitted
from sparkiot_sim.setting import Setting
from sparkiot_sim.workload import Workload

DURATION_S = (900.0, 4500.0)
"""Bounds of an episode's length, drawn evenly over the logarithm: some as long as a restart matters."""
UNSURE = 0.1
"""Standard deviation of the logarithm of what was fitted: tomorrow's cluster is not quite yesterday's."""
OTHER_START = (0.6, 1.6)
"""An episode begins with so many times the executors that were recorded, so that the states of other decisions than the
recorded ones are met."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One stretch, ready to be played from any of its looks."""

    stretch: Stretch
    fitted: Fitted
    workload: Workload
    edge: RecordedEdge | None

    @classmethod
    def of(cls, stretch: Stretch, fitted: Fitted) -> "Scene":
        return cls(stretch, fitted, stretch.workload(), recorded_edge(stretch))


@dataclass(frozen=True, slots=True)
class RecordedEpisodes:
    """Pieces of recorded stretches, the longer stretches the more often."""

    scenes: Sequence[Scene]

    def draw(self, rng: np.random.Generator) -> Setting:
        """One setting; the same state of the generator gives the same one."""
        lengths = np.array([scene.stretch.duration_s for scene in self.scenes])
        scene = self.scenes[rng.choice(len(lengths), p=lengths / lengths.sum())]
        stretch, fitted = scene.stretch, scene.fitted
        low, high = np.log(DURATION_S)
        duration_s = min(float(np.exp(rng.uniform(low, high))), stretch.duration_s)
        start = stretch.start + rng.uniform(0, stretch.duration_s - duration_s)
        look = int(np.searchsorted(stretch["time"], start, side="right")) - 1
        profile = replace(
            fitted.profile, rate_per_executor=fitted.profile.rate_per_executor * np.exp(UNSURE * rng.standard_normal())
        )
        return Setting(
            job=_job(stretch, look, rng),
            profile=profile,
            workload=scene.workload,
            preset=fitted.preset,
            calibration=_around(fitted.calibration, rng),
            quality="none",
            edge=scene.edge,
            seed=int(rng.integers(2**31)),
            start=start,
            duration_s=duration_s,
        )


def _job(stretch: Stretch, look: int, rng: np.random.Generator) -> Job:
    """As its owner described it, but for what would leave nothing to decide."""
    job, in_force = stretch.job, stretch.allocation(look)
    most = min(job.limits.max_executors, ACTION_SIZES[0])
    executors = int(np.clip(round(in_force.executors * rng.uniform(*OTHER_START)), job.limits.min_executors, most))
    return replace(
        job,
        mode=Mode.ACTIVE,
        initial=replace(in_force, executors=executors),
        objectives=replace(job.objectives, weights=job.objectives.weights or draw_weights(rng)),
        limits=replace(job.limits, override=None, excluded=()),
    )


def _around(calibration: Calibration, rng: np.random.Generator) -> Calibration:
    fixed = calibration.batch.fixed_s
    other = fixed.model_copy(update={"value": fixed.value * float(np.exp(UNSURE * rng.standard_normal()))})
    return calibration.model_copy(update={"batch": calibration.batch.model_copy(update={"fixed_s": other})})
