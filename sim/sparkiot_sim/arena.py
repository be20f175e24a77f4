"""The realistic arena as a Gymnasium environment, ``sparkiot/Cluster-v0``."""

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from sparkiot_policies.allocation import ACTION_SIZES, Allocation
from sparkiot_policies.controller import Controller
from sparkiot_policies.decide import decide
from sparkiot_policies.decision import PolicyIdentity
from sparkiot_policies.evaluation import Evaluation, evaluate
from sparkiot_policies.history import History
from sparkiot_policies.job import Job
from sparkiot_policies.observation import ELEMENTS, Observation, names

from .randomisation import Episodes, Randomisation
from .reward import reference_per_hour, reward
from .setting import Setting
from .simulated import SimulatedJob

SCHEMA = 3
LOW = np.array([e.low for e in ELEMENTS], dtype=np.float32)
HIGH = np.array([e.high for e in ELEMENTS], dtype=np.float32)


class Proposed:
    """The agent as a policy: it proposes the action that the environment was given, and nothing takes its place."""

    identity = PolicyIdentity("agent")

    def __init__(self) -> None:
        self.allocation: Allocation | None = None

    def needs(self) -> tuple[str, ...]:
        return ()

    def unfamiliar(self, _: Evaluation) -> tuple[str, ...]:
        return ()

    def propose(self, _job: Job, _evaluation: Evaluation) -> Allocation:
        if self.allocation is None:
            raise RuntimeError("no action was given")
        return self.allocation


class ClusterEnv(gym.Env[npt.NDArray[np.float32], npt.NDArray[np.int64]]):
    """One job on the cluster model; a step is one decision interval.

    Observation: version 3, raw units, clipped to the bounds of its elements; a missing element keeps its last value.
    Action: MultiDiscrete([20, 8, 4, 3]), which passes through the safety envelope as a live policy's proposal does.
    Reward: see ``reward.py``. An episode is truncated when its setting's duration is over.

    randomisation: from what ``reset`` draws a setting; ``reset(options={"setting": …})`` plays a given one.
    ``info`` holds dollars, the batches of the step and the allocation in force.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - gymnasium declares it so

    def __init__(self, *, randomisation: Episodes | None = None) -> None:
        self.observation_space = gym.spaces.Box(LOW, HIGH, dtype=np.float32)
        self.action_space = gym.spaces.MultiDiscrete(np.array(ACTION_SIZES))
        self._randomisation = randomisation or Randomisation()
        self._agent = Proposed()
        self._setting: Setting | None = None

    @property
    def setting(self) -> Setting:
        """The episode that is played. Raises RuntimeError before the first reset."""
        if self._setting is None:
            raise RuntimeError("call reset() before step()")
        return self._setting

    @property
    def simulated(self) -> SimulatedJob:
        return self._simulated

    @property
    def evaluation(self) -> Evaluation:
        """What was known at the last observation."""
        return self._evaluation

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        super().reset(seed=seed)
        self._setting = setting = (options or {}).get("setting") or self._randomisation.draw(self.np_random)
        self._simulated = setting.simulated()
        history = History(since=setting.start, allocation=setting.job.initial)
        self._controller = Controller(setting.job, policy=self._agent, fallback=self._agent, history=history)
        self._reference = reference_per_hour(setting.job, setting.profile, setting.workload.mean_rate)
        self._now = setting.start
        self._vector = LOW.copy()
        self._advance()
        return self._vector.copy(), {}

    def step(self, action: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        setting, controller = self.setting, self._controller
        self._agent.allocation = Allocation.from_action([int(a) for a in action])
        decision = decide(setting.job, self._evaluation, self._agent, fallback=self._agent)
        controller.accept(self._evaluation, decision)
        self._simulated.apply(decision.allocation)
        before = self._simulated.cost_dollars
        self._advance()
        dollars = self._simulated.cost_dollars - before
        value = reward(
            weights=self._evaluation.weights,
            measurement=self._measurement,
            dollars=dollars,
            interval_s=setting.job.interval_s,
            reference=self._reference,
            target_ms=setting.job.objectives.latency_target_ms,
            blind=not self._evaluation.observation.forecast_known,
        )
        over = self._now + setting.job.interval_s > setting.start + setting.duration_s
        info = {"dollars": dollars, "batches": self._measurement.batches, "allocation": decision.allocation}
        return self._vector.copy(), value, False, over, info

    def _advance(self) -> None:
        """Let one interval pass and look."""
        job, simulated = self.setting.job, self._simulated
        self._now += job.interval_s
        simulated.advance(self._now)
        self._measurement = simulated.measure()
        window = self._controller.window
        window.add(self._measurement, latency_target_ms=job.objectives.latency_target_ms)
        signal = simulated.signal()
        window.hear(signal)
        self._evaluation = evaluate(
            job=job, window=window, history=self._controller.history, signal=signal, now=self._now
        )
        self._see(self._evaluation.observation)

    def _see(self, observation: Observation) -> None:
        values = [getattr(observation, name) for name in names(SCHEMA)]
        known = np.array([np.nan if v is None else v for v in values], dtype=np.float32)
        self._vector = np.where(np.isnan(known), self._vector, np.clip(known, LOW, HIGH)).astype(np.float32)
