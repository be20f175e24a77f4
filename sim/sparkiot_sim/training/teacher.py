"""A teacher that knows the cluster model and the load to come, for a network to start from: what actions would lose.

It is no policy: it reads what nobody can observe. Its losses are those of ``reward.py``, looked up in the model for the
time that a decision is responsible for: until executors asked for now would work, and one decision beyond.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from sparkiot_policies.allocation import ACTION_SIZES, COMPRESSIONS, MIB_PER_GIB, TIERS, Allocation
from sparkiot_policies.job import Limits
from sparkiot_sim.arena import ClusterEnv
from sparkiot_sim.reward import WORST as WORST_LATENCY
from sparkiot_sim.reward import late_price, reference_per_hour, urgency
from sparkiot_sim.work import WorkModel

Losses = npt.NDArray[np.float32]

MARGIN = 0.97
"""Of the time that a batch may take: the rest is for what the model does not see."""
OVERLOAD = 2.0
"""How much worse than just missing the target it is to have no executor at all: backlogs outlive their cause."""
WORST = 40.0
"""Largest difference that a loss shows."""
HOLD = 0.6
"""Extra price of an executor above what is kept anyway: the envelope will keep it for its stabilisation time. Without
this, a policy adds its own caution to that of the envelope, which keeps the highest of a dozen noisy proposals."""
UNDECIDED = 0.02
"""Price of an executor more or fewer than needed where the envelope makes all proposals equal: people read them."""
LAYOUT_SCALE = 5.0
"""Memory, tier and compression differ by a few percent of the bill; scaled so that a network sees them."""
AHEAD_S = 900.0
"""Over which load tier and compression are chosen for; they change in place."""
MEMORY_AHEAD_S = 4 * 3600.0
"""Over which load memory is chosen for."""
RESTART_PAYS_S = 3600.0
"""In which a restart must pay."""
SAFE_PRESSURE = 1.2
"""Of memory at the highest load ahead. Above 1 batches spill, which the bill counts; far above executors die."""
WORST_PRESSURE = 1.0
"""Most that counts beyond: where no memory suffices, all are as bad."""
UNSAFE = 1.5
"""Price of each share of pressure beyond, in multiples of the bill: what spills or dies is late for long."""
REFRESH_S = 300.0
MOST = 40.0


class Teacher:
    """Losses of one environment's actions. Ask once a step."""

    def __init__(self, env: ClusterEnv) -> None:
        self._env = env
        setting = env.setting
        self._calibration = setting.constants
        job, trigger = setting.job, setting.profile.trigger_interval_s
        target = job.objectives.latency_target_ms / 1000
        # Batches may run late as long as two of them, the one waited for and the own, fit into the target.
        self._span = target / 2 if target >= 2 * trigger else trigger
        self._budget = MARGIN * (self._span if target >= 2 * trigger else target - trigger)
        self._reference = reference_per_hour(job, setting.profile, setting.workload.mean_rate)
        self._startup_s = self._calibration.preset(setting.preset).startup_s.value
        self._layout = np.zeros(sum(ACTION_SIZES[1:]), dtype=np.float32)
        self._layout_until = -np.inf

    def losses(self) -> Losses:
        """What each action of each part would lose against the best one, shape (35,), aligned with the logits."""
        now = self._env.simulated.now
        if now >= self._layout_until:
            self._layout = self._layout_losses(now)
            self._layout_until = now + REFRESH_S
        return np.concatenate((self._executor_losses(now), self._layout))

    def _executor_losses(self, now: float) -> Losses:
        env, cluster = self._env, self._env.simulated.cluster
        model = self._model(cluster.allocation)
        interval = env.setting.job.interval_s
        near = self._needed(model, now, now + self._startup_s, pieces=4)
        far = self._needed(model, now + self._startup_s, now + self._startup_s + 1.5 * interval, pieces=3)
        proposed = np.arange(1, ACTION_SIZES[0] + 1)
        floor = self._floor(now)
        counts = np.maximum(proposed, floor)
        late = _late(np.minimum(counts, max(cluster.pool.running, 1)), near) + _late(counts, far)
        weights = env.evaluation.weights
        price = env.setting.job.prices.compute_per_hour(1, cluster.allocation.memory_mib) / self._reference
        paid = price * (counts + HOLD * (counts - floor))
        needed = max(near.max(), far.max())
        undecided = UNDECIDED * np.abs(proposed - needed)
        blind = not env.evaluation.observation.forecast_known
        lost = paid + late_price(weights, blind=blind) * late + undecided
        if price := urgency(weights):
            lost += price * self._latencies(model, now + self._startup_s, counts)
        return _above_best(lost)

    def _latencies(self, model: WorkModel, at: float, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Of a batch at a time on each count of executors, over the target."""
        setting, cluster = self._env.setting, self._env.simulated.cluster
        rows, target_s = setting.workload.rate_at(at) * self._span, setting.job.objectives.latency_target_ms / 1000
        durations = [
            model.batch(rows=rows, state_mib=cluster.state_mib, executors=n, temperature=cluster.temperature).duration_s
            for n in counts.tolist()
        ]
        return np.minimum((self._span + np.array(durations)) / target_s, WORST_LATENCY)

    def _floor(self, now: float) -> int:
        """What the envelope's stabilisation keeps whatever is proposed now."""
        job, history = self._env.setting.job, self._env.evaluation.history
        begin, current = now - job.limits.stabilization_s, history.allocation.executors
        if history.since > begin:
            return current
        return min(current, max((p.executors for p in history.proposals if p.time > begin), default=1))

    def _needed(self, model: WorkModel, begin: float, end: float, *, pieces: int) -> npt.NDArray[np.int64]:
        """Fewest executors that keep the target at the mean rate of each piece of a time."""
        workload, edges = self._env.setting.workload, np.linspace(begin, end, pieces + 1).tolist()
        most = min(self._env.setting.job.limits.max_executors, ACTION_SIZES[0])
        return np.array(
            [
                min(int(np.ceil(self._executors(model, workload.arrivals(a, b) / (b - a)))), most)
                for a, b in pairwise(edges)
            ]
        )

    def _executors(self, model: WorkModel, rate: float, *, state_mib: float | None = None) -> float:
        """Executors, as a real number of at least 1, that process a rate within the budget and hold the state without
        being killed; MOST if none do. state_mib: None for the present state, which outlives a load by minutes."""
        cluster = self._env.simulated.cluster
        rows, temperature = rate * self._span, cluster.temperature
        state = cluster.state_mib if state_mib is None else state_mib

        def enough(executors: float) -> bool:
            work = model.batch(rows=rows, state_mib=state, executors=executors, temperature=temperature)
            return work.duration_s <= self._budget and not work.out_of_memory

        low, high = 1.0, MOST
        if enough(low):
            return low
        for _ in range(8):
            middle = (low + high) / 2
            low, high = (low, middle) if enough(middle) else (middle, high)
        return high

    def _layout_losses(self, now: float) -> Losses:
        """Losses of memory, tier and compression: the bill under each, the others chosen at their best."""
        setting, limits = self._env.setting, self._env.setting.job.limits
        rate = setting.workload.arrivals(now, now + AHEAD_S) / AHEAD_S
        peak = setting.workload.peak(now, now + MEMORY_AHEAD_S)
        bills = np.full(ACTION_SIZES[1:], np.inf)
        for index in np.ndindex(*ACTION_SIZES[1:]):
            memory, tier, compression = index
            allocation = Allocation(
                executors=1,
                memory_mib=(memory + 1) * MIB_PER_GIB,
                tier=TIERS[tier],
                compression=COMPRESSIONS[compression],
            )
            if _allowed(limits, allocation):
                bills[index] = self._bill(allocation, rate) * (1 + UNSAFE * self._unsafe(allocation, peak))
        parts = [bills.min(axis=(1, 2)), bills.min(axis=(0, 2)), bills.min(axis=(0, 1))]
        parts[0] += self._restart_price()
        return np.concatenate([_above_best(LAYOUT_SCALE * part / self._reference) for part in parts])

    def _restart_price(self) -> npt.NDArray[np.float64]:
        """$/h that a restart to each memory costs over the time that it must pay in."""
        weights, cluster = self._env.evaluation.weights, self._env.simulated.cluster
        outage = self._calibration.preset(self._env.setting.preset).restart_s.value / RESTART_PAYS_S
        other = np.arange(1, ACTION_SIZES[1] + 1) * MIB_PER_GIB != cluster.allocation.memory_mib
        price = late_price(weights, blind=False) * outage * self._reference
        return np.asarray(other * price, dtype=np.float64)

    def _bill(self, allocation: Allocation, rate: float) -> float:
        """$/h of a steady rate under an allocation's memory, tier and compression."""
        job, profile, model = self._env.setting.job, self._env.setting.profile, self._model(allocation)
        stored = model.batch(rows=rate, state_mib=0.0, executors=1, temperature=0.0).shuffle_gib
        executors = self._executors(model, rate, state_mib=profile.state_mib * rate)
        compute = job.prices.compute_per_hour(executors, allocation.memory_mib)
        return compute + stored * 3600 * job.prices.shuffle_gib[allocation.tier]

    def _unsafe(self, allocation: Allocation, peak: float) -> float:
        """How far memory pressure at the peak exceeds what is safe, on as many executors as would have to bear it."""
        profile, model = self._env.setting.profile, self._model(allocation)
        most = self._env.setting.job.limits.max_executors
        peak = min(peak, self._bearable(model, most))
        state = profile.state_mib * peak
        executors = max(np.floor(min(self._executors(model, peak, state_mib=state), most)), 1)
        rows = min(profile.most_rows or np.inf, peak * self._span)
        work = model.batch(rows=rows, state_mib=state, executors=executors, temperature=0.0)
        return float(min(max(work.pressure - SAFE_PRESSURE, 0.0), WORST_PRESSURE))

    def _bearable(self, model: WorkModel, executors: int) -> float:
        """Messages/s that so many executors work off within the budget: beyond, no memory keeps the objective."""
        low, high = 0.0, executors * self._env.setting.profile.rate_per_executor
        for _ in range(8):
            middle = (low + high) / 2
            work = model.batch(rows=middle * self._span, state_mib=0.0, executors=executors, temperature=0.5)
            low, high = (middle, high) if work.duration_s <= self._budget else (low, middle)
        return low

    def _model(self, allocation: Allocation) -> WorkModel:
        return WorkModel(
            profile=self._env.setting.profile,
            calibration=self._calibration,
            allocation=replace(allocation, executors=1),
        )


def _allowed(limits: Limits, allocation: Allocation) -> bool:
    return (
        limits.min_memory_mib <= allocation.memory_mib <= limits.max_memory_mib
        and allocation.tier in limits.tiers
        and allocation.compression in limits.compressions
    )


def _late(counts: npt.NDArray[np.int64], needed: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Share of the pieces for which each count is too small, more the farther it is off; shape of counts."""
    missing = np.maximum(needed[None] - counts[:, None], 0) / needed[None]
    late: npt.NDArray[np.float64] = ((missing > 0) + OVERLOAD * missing).mean(axis=1)
    return late


def _above_best(losses: npt.NDArray[np.float64]) -> Losses:
    above: Losses = np.minimum(losses - losses.min(), WORST).astype(np.float32)
    return above
