"""Policies as the arena plays them: a batch of observations in, a batch of actions out."""

from typing import Protocol

import numpy as np

from sparkiot_policies.allocation import Allocation
from sparkiot_policies.decision import PolicyIdentity
from sparkiot_policies.evaluation import Context, Evaluation
from sparkiot_policies.history import History, Proposal
from sparkiot_policies.job import Job
from sparkiot_policies.learned import LearnedPolicy
from sparkiot_policies.objectives import Weights
from sparkiot_policies.observation import Observation, names
from sparkiot_policies.policy import Policy
from sparkiot_policies.rules.fixed import THESIS

from .arena import Observations
from .draws import Draws
from .limit import Knowledge, limit_actions
from .model import Actions

STEP_S = 10.0
"""Seconds that a rule believes to lie between two steps; the arena itself has no time."""


class Actor(Protocol):
    """Plays N arenas in lockstep."""

    @property
    def identity(self) -> PolicyIdentity: ...

    def begin(self, draws: Draws) -> None:
        """A run begins. Only a limit may look at the traces."""
        ...

    def act(self, observations: Observations) -> Actions:
        """Observations (N, 13) to actions (N, 4)."""
        ...


class LearnedActor:
    """A learned policy of observation version 1, run in batches."""

    def __init__(self, policy: LearnedPolicy) -> None:
        self._policy = policy

    @property
    def identity(self) -> PolicyIdentity:
        return self._policy.identity

    def begin(self, draws: Draws) -> None:
        """A network remembers nothing."""

    def act(self, observations: Observations) -> Actions:
        return self._policy.actions(observations)


class RuleActor:
    """Any policy, asked one arena at a time through the same protocol as in production."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._job = Job(name="thesis", initial=THESIS)
        self._histories: list[History] = []
        self._now = 0.0

    @property
    def identity(self) -> PolicyIdentity:
        return self._policy.identity

    def begin(self, draws: Draws) -> None:
        self._histories = [History(since=0.0, allocation=THESIS)] * draws.traces
        self._now = 0.0

    def act(self, observations: Observations) -> Actions:
        self._now += STEP_S
        proposals = [
            self._policy.propose(self._job, _evaluation(row, history, self._now))
            for row, history in zip(observations.tolist(), self._histories, strict=True)
        ]
        self._histories = [_remember(self._now, p) for p in proposals]
        return np.array([p.action for p in proposals], dtype=np.int64)


class LimitActor:
    """The cheapest safe actions, computed from the traces (see ``limit_actions``)."""

    def __init__(self, shuffle: Knowledge) -> None:
        self._shuffle = shuffle
        self._actions: Actions | None = None
        self._now = 0

    @property
    def identity(self) -> PolicyIdentity:
        return PolicyIdentity(f"limit, shuffle {self._shuffle}")

    def begin(self, draws: Draws) -> None:
        self._actions, self._now = limit_actions(draws, self._shuffle), 0

    def act(self, observations: Observations) -> Actions:  # noqa: ARG002 - it knows the traces instead
        if self._actions is None:
            raise RuntimeError("call begin() before act()")
        self._now += 1
        chosen: Actions = self._actions[self._now - 1]
        return chosen


def _evaluation(row: list[float], history: History, now: float) -> Evaluation:
    observation = Observation.from_dict(dict(zip(names(1), row, strict=True)))
    weights = Weights(*row[6:9])
    unknown = Context(rate_mean=None, rate_spread=None, latency_ratio=None, attainment=None, budget_burn=None)
    return Evaluation(now=now, observation=observation, context=unknown, weights=weights, history=history, age_s=0.0)


def _remember(now: float, proposed: Allocation) -> History:
    return History(since=0.0, allocation=proposed, proposals=(Proposal(now, proposed.executors),))
