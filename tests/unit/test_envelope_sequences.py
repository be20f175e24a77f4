"""No sequence of proposals, measurements, clocks and edits, however hostile, takes a job outside of its envelope.

Everything goes through the controller of a live job. What is checked after each step is in ``support_envelope``.
"""

import math
from dataclasses import replace
from datetime import time
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support_envelope import Auditor
from support_jobs import NOW, allocation, history, job, measurement
from support_policies import random_mlp
from support_strategies import allocations

from sparkiot_policies.allocation import Allocation, Compression, Tier
from sparkiot_policies.artifact import load_artifact, write_artifact
from sparkiot_policies.controller import Controller
from sparkiot_policies.decision import Decision, FallbackCode, PolicyIdentity
from sparkiot_policies.errors import ObservationMissingError, PolicyError
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.job import ExcludedPeriod, Job, Mode
from sparkiot_policies.learned import LearnedPolicy
from sparkiot_policies.measurement import Batch, EdgeSignal, Measurement
from sparkiot_policies.mlp import Activation, Layer, Mlp
from sparkiot_policies.rules import Rate

SMALL = Allocation(executors=1, memory_mib=1024, tier=Tier.HOT, compression=Compression.NONE)
HUGE = Allocation(executors=10_000, memory_mib=10**6, tier=Tier.ARCHIVE, compression=Compression.ZSTD)
FAILURE = PolicyError("NaN in the output")
MISSING = ObservationMissingError(["cpu"])

numbers = st.sampled_from([None, 0.0, 1e-300, 1.0, 50.0, 100.0, 5000.0, 1e300, -7.0, math.nan, math.inf, -math.inf])
counts = st.one_of(st.none(), st.integers(0, 40))
measurements = st.builds(
    Measurement,
    time=st.sampled_from([NOW, NOW, NOW, NOW, NOW, NOW - 5, NOW - 70, NOW + 100]),
    rate=numbers,
    backlog=numbers,
    cpu=numbers,
    memory=numbers,
    state_mib=numbers,
    running=counts,
    pending=counts,
    unschedulable=st.sampled_from([0, 2]),
    quota_executors=st.one_of(st.none(), st.integers(0, 30)),
    leaving=st.sampled_from([0, 0, 1]),
    trigger_interval_s=numbers,
    batches=st.lists(
        st.builds(Batch, st.just(NOW), st.floats(0, 1e5), st.floats(0, 60), st.floats(0, 9e4)), max_size=2
    ).map(tuple),
    applied=st.one_of(st.none(), allocations),
    startup_s=numbers,
    restart_cost_s=numbers,
    out_of_memory=st.sampled_from([0, 0, 0, 0, 1]),
    lost_executors=st.sampled_from([0, 0, 2]),
)
healthy = st.builds(
    Measurement,
    time=st.just(NOW),
    rate=st.sampled_from([10.0, 100.0, 900.0]),
    backlog=st.sampled_from([0.0, 200.0]),
    memory=st.sampled_from([10.0, 50.0, 99.0]),
    running=st.just(4),
    pending=st.just(0),
    unschedulable=st.sampled_from([0, 0, 0, 2]),
    quota_executors=st.sampled_from([None, None, None, 3, 8]),
    trigger_interval_s=st.just(10.0),
    batches=st.just((Batch(NOW, 1000.0, 4.0, 900.0),)),
    applied=st.just(allocation()),
)
signals = st.one_of(
    st.none(),
    st.builds(
        EdgeSignal,
        time=st.just(NOW),
        horizon_s=st.just(60.0),
        predicted_rate=numbers.map(lambda n: n or 0.0),
        probability=st.floats(0, 1),
        alarm=st.booleans(),
    ),
)
NIGHT = ExcludedPeriod(start=time(0), end=time(23, 59))


@st.composite
def edits(draw: st.DrawFn) -> Job:
    """A job as its owner may write it, bounds that contradict what runs included."""
    narrow = st.tuples(st.integers(1, 24), st.integers(1, 24))
    executors = sorted(draw(st.one_of(st.just((1, 24)), narrow)))
    gib = sorted(draw(st.tuples(st.integers(1, 8), st.integers(1, 8))))
    return job(
        mode=draw(st.sampled_from([*[Mode.ACTIVE] * 6, Mode.ADVISE, Mode.PAUSED])),
        budget=draw(st.sampled_from([None, None, 0.5, 2.0])),
        min_executors=executors[0],
        max_executors=executors[1],
        override=draw(st.sampled_from([*[None] * 6, 9])),
        min_memory_mib=gib[0] * 1024,
        max_memory_mib=gib[1] * 1024,
        tiers=tuple(draw(st.sets(st.sampled_from(tuple(Tier)), min_size=1))),
        compressions=tuple(draw(st.sets(st.sampled_from(tuple(Compression)), min_size=1))),
        max_up_factor=draw(st.sampled_from([1.1, 2.0, math.inf])),
        max_up_step=draw(st.sampled_from([1, 3, 12])),
        max_down_factor=draw(st.sampled_from([0.1, 0.5, 1.0])),
        stabilization_s=draw(st.sampled_from([0.0, 30.0, 90.0])),
        cooldown_up_s=draw(st.sampled_from([0.0, 25.0])),
        cooldown_down_s=draw(st.sampled_from([0.0, 45.0])),
        cooldown_shuffle_s=draw(st.sampled_from([0.0, 35.0])),
        restart_min_interval_s=draw(st.sampled_from([0.0, 90.0])),
        restart_stabilization_s=draw(st.sampled_from([0.0, 20.0])),
        restart_cost_s=1.0,
        excluded=draw(st.sampled_from([*[()] * 4, (NIGHT,)])),
        fallback_s=draw(st.sampled_from([0.0, 40.0])),
        metrics_window_s=60.0,
    )


class Moody:
    """A policy that does what the test last told it."""

    identity = PolicyIdentity("Moody")

    def __init__(self) -> None:
        self.mood: Allocation | Exception = allocation()

    def needs(self) -> tuple[str, ...]:
        return ()

    def unfamiliar(self, _: Evaluation) -> tuple[str, ...]:
        return ()

    def propose(self, _job: Job, _evaluation: Evaluation) -> Allocation:
        if isinstance(self.mood, Exception):
            raise self.mood
        return self.mood


class HostileJob(RuleBasedStateMachine):
    """Each rule is one thing that may happen between two decisions; ``decide`` and its like make one."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.policy = NOW, Moody()
        self.last: Decision | None = None
        self.steps = 0

    @initialize(first=edits(), young=st.booleans())
    def begin(self, first: Job, young: bool) -> None:
        past = history(since=NOW if young else NOW - 1e5)
        self.controller = Controller(first, policy=self.policy, fallback=Rate(), history=past)
        self.auditor = Auditor(self.controller)
        if young:
            self.fall_quiet(grows=False, state_mib=None, first=SMALL)

    @rule(seconds=st.sampled_from([0.0, 0.001, 10.0, 60.0, 600.0, 1e5, -5.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.steps > 30)
    @rule(seconds=st.sampled_from([100.0, 1e5]))
    def set_clock_back(self, seconds: float) -> None:
        """What was measured before lies in the future then, and the job is held: so not too early in a sequence."""
        self.now -= seconds

    @rule(mood=st.one_of(st.sampled_from([SMALL, HUGE, FAILURE, MISSING]), allocations))
    def change_mood(self, mood: Allocation | Exception) -> None:
        self.policy.mood = mood

    @rule(edited=edits())
    def edit(self, edited: Job) -> None:
        self.controller.job = edited

    @rule(measured=st.one_of(st.none(), measurements, healthy), signal=signals)
    def decide(self, measured: Measurement | None, signal: EdgeSignal | None) -> None:
        self.step(measured, signal)

    @rule(stream=st.lists(st.one_of(measurements, healthy), min_size=3, max_size=8))
    def storm(self, stream: list[Measurement]) -> None:
        for measured in stream:
            self.now += 10.0
            self.step(measured)

    @rule(proposals=st.lists(st.sampled_from([SMALL, HUGE]), min_size=3, max_size=8), measured=healthy)
    def oscillate(self, proposals: list[Allocation], measured: Measurement) -> None:
        for proposal in proposals:
            self.now += 10.0
            self.policy.mood = proposal
            self.step(measured)

    @rule(measured=healthy)
    def fail_once(self, measured: Measurement) -> None:
        for mood in (FAILURE, HUGE, HUGE, SMALL):
            self.now += 10.0
            self.policy.mood = mood
            self.step(measured)

    @rule(start=st.sampled_from([1, 8]), measured=healthy)
    def want_other_memory(self, start: int, measured: Measurement) -> None:
        """More under pressure, less without it, each for long enough to be believed."""
        for gib in (start, 9 - start, start):
            self.policy.mood = allocation(4, gib=gib)
            for _ in range(4):
                self.now += 10.0
                self.step(replace(measured, memory=99.0 if gib == 8 else 10.0))

    @rule(grows=st.booleans(), state_mib=st.sampled_from([None, None, 6000.0, 20000.0]), first=st.just(HUGE))
    def fall_quiet(self, grows: bool, state_mib: float | None, first: Allocation) -> None:
        """After the first proposal the least is proposed again and again, over good measurements or over a backlog that
        grows."""
        quiet = Measurement(time=NOW, rate=10.0, memory=10.0, trigger_interval_s=10.0, state_mib=state_mib)
        for step, proposal in enumerate((first, SMALL, SMALL, SMALL, SMALL)):
            self.now += 30.0
            self.policy.mood = proposal
            self.step(replace(quiet, backlog=1e5 * step if grows else 0.0))

    def step(self, measured: Measurement | None, signal: EdgeSignal | None = None) -> None:
        shift = self.now - NOW
        if measured is not None:
            measured = replace(measured, time=measured.time + shift)
        if signal is not None:
            signal = replace(signal, time=signal.time + shift)
        self.auditor.saw(measured)
        evaluation, decision = self.controller.step(measured, signal=signal, now=self.now)
        mood = self.policy.mood
        self.auditor.check(evaluation, decision, failing=mood if isinstance(mood, Exception) else None)
        self.controller.accept(evaluation, decision)
        self.last = decision
        self.steps += 1

    @invariant()
    def what_is_in_force_is_what_was_decided(self) -> None:
        if self.last is not None and self.controller.job.mode is Mode.ACTIVE:
            assert self.controller.history.allocation in (self.last.allocation, self.last.previous)


TestHostileJob = HostileJob.TestCase
TestHostileJob.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)


def test_a_network_that_answers_nan_is_replaced_in_the_same_cycle(tmp_path: Path) -> None:
    """Its weights are finite and its answer to zeros is, so nobody refuses it before it decides."""
    network = random_mlp(13, 35)
    huge = Mlp(tuple(Layer(layer.weight * np.float32(1e38), layer.bias) for layer in network.layers), Activation.TANH)
    write_artifact(tmp_path, name="huge", kind="ppo", weights=huge)
    controller = Controller(
        job(), policy=LearnedPolicy(load_artifact(tmp_path)), fallback=Rate(), history=history(since=NOW - 1e5)
    )
    for step in range(3):
        now = NOW + 10 * step
        evaluation, decision = controller.step(measurement(now), signal=None, now=now)
        controller.accept(evaluation, decision)
        assert decision.fallback is FallbackCode.POLICY_FAILED
        assert decision.acted == Rate().identity
        assert "NaN or infinity" in decision.detail
