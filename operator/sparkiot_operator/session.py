"""One job while it runs: its clock, its backend and its controller, and the cycle that joins them.

observe -> evaluate -> decide -> (the loop writes the status) -> realize
"""

import logging
from dataclasses import dataclass

from sparkiot_policies.allocation import parse_memory
from sparkiot_policies.controller import Controller
from sparkiot_policies.decision import Decision
from sparkiot_policies.evaluation import Evaluation
from sparkiot_policies.history import History
from sparkiot_policies.job import Job, Mode
from sparkiot_policies.measurement import EdgeSignal
from sparkiot_policies.policy import MetaController, Policy

from .allocations import stored_allocation
from .backends import Backend, BackendState, Desired, Inherited, Surroundings, kind_of, make_backend
from .clock import JobClock
from .conditions import Finding
from .errors import BackendFailedError
from .explanation import Explainer, sentence
from .metrics.timed import TimedPolicy
from .policies_store import PolicyStore, UnavailablePolicy
from .promotion.board import CanaryBoard
from .promotion.job_promotion import JobPromotion
from .reasons import PolicyReason
from .resource.spec import BackendKind, PolicyRef, SparkIoTJobSpec
from .resource.status import ConditionType, Phase, SimulationStatus, SparkIoTJobStatus
from .resource.translate import to_job
from .spark.lifecycle import retried
from .status import Cycle
from .times import parse_timestamp, precise_timestamp

LOGGER = logging.getLogger(__name__)
CLOCK_SLACK_S = 1.0
"""Seconds by which a stored job time may lie ahead of the clock without the clock being a new one."""


class Session:
    """A running job. Build it with ``open_session``."""

    def __init__(
        self,
        *,
        spec: SparkIoTJobSpec,
        clock: JobClock,
        backend: Backend,
        controller: Controller,
        promotion: JobPromotion,
        policies: PolicyStore,
        generation: int,
        live: bool,
    ) -> None:
        self.spec = spec
        self.clock = clock
        self._backend = backend
        self._controller = controller
        self._promotion = promotion
        self._policies = policies
        self._generation = generation
        self._live = live
        self._explainer = Explainer()

    @property
    def job(self) -> Job:
        return self._controller.job

    @property
    def fallback(self) -> Policy:
        """The rule that acts when the policy must not."""
        return self._controller.fallback

    @property
    def state(self) -> BackendState:
        return self._backend.state

    def accepts(self, spec: SparkIoTJobSpec) -> bool:
        """Whether an edited spec can be taken over while the job runs: what the backend reads must be the same."""
        return _of_backend(self.spec) == _of_backend(spec)

    def edit(self, name: str, spec: SparkIoTJobSpec, *, real: float) -> None:
        """Take over another spec that the session ``accepts``. real: real time, epoch seconds."""
        self._controller.job = job = to_job(name, spec, live=self._live)
        self._promotion.edit(spec, job, now=self.clock.job_time(real))
        self.spec = spec

    @property
    def live(self) -> bool:
        """Whether Spark runs it; a simulated job has an edge of its own."""
        return self._live

    async def decide(self, now: float, *, announced: EdgeSignal | None = None) -> Cycle:
        """Observe at ``now`` (job time) and decide. Nothing is changed yet but the window of measurements.

        announced: the edge's newest signal where it comes beside the backend.
        """
        await self._backend.ensure(self._desired(), now=now)
        measurement = error = None
        signal = announced
        try:
            observed = await self._backend.observe(now=now)
            measurement, signal = observed.measurement, observed.signal or announced
        except BackendFailedError as failure:
            error = str(failure)
        self._refresh_policies(now)
        controller = self._controller
        evaluation, decision = controller.step(measurement, signal=signal, now=now)
        why = self._explain(evaluation, decision)
        promotion = self._promotion.step(measurement, signal=signal, decision=decision, job=controller.job, now=now)
        advised = controller.job.mode is Mode.ADVISE
        allocation = decision.previous if advised else decision.allocation
        if allocation != decision.previous:
            # Also when the write of an earlier try failed: nobody knows whether the API server took it.
            self._generation += 1
        return Cycle(
            time=now,
            job=controller.job,
            measurement=measurement,
            observe_error=error,
            evaluation=evaluation,
            decision=decision,
            allocation=allocation,
            generation=self._generation,
            state=self._backend.state,
            memory_floor_mib=controller.memory_floor_mib,
            simulation=None if self._live else self._simulation(now),
            why=why,
            promotion=promotion,
        )

    async def realize(self, cycle: Cycle) -> None:
        """Remember the decision and bring the backend to it. A push that failed is repeated by the next cycle."""
        self._controller.accept(cycle.evaluation, cycle.decision)
        if cycle.state.phase is Phase.RUNNING:
            await self._backend.apply(Desired(cycle.allocation, cycle.generation), now=cycle.time)

    def _explain(self, evaluation: Evaluation, decision: Decision) -> str:
        """A sentence of a decision that changes something."""
        controller, fallback = self._controller, self._controller.fallback
        acted = controller.policy if decision.acted == controller.policy.identity else fallback
        # What is timed is what decides.
        policy = acted.policy if isinstance(acted, TimedPolicy) else acted
        try:
            return self._explainer.step(controller.job, evaluation, decision, policy=policy, fallback=fallback)
        except Exception:  # what people read must not cost a job its cycle
            LOGGER.exception("%s: a decision is not explained", controller.job.name)
            return sentence(decision)

    async def stop(self, now: float) -> None:
        await self._backend.stop(now=now)

    def policy_findings(self) -> Finding:
        """Whether the policy and, where the scenario needs one, the meta-controller are loaded."""
        ref, problems = self._promotion.policy_ref, []
        policy = self._policies.policy(ref.name, ref.digest)
        if policy.problem is not None:
            problems.append(f"policy {ref.name}: {policy.problem}; {ref.fallback} acts instead")
        if self.job.objectives.weights is None:
            meta = self._policies.meta_controller(ref.meta_controller)
            if meta.problem is not None:
                problems.append(f"meta-controller {ref.meta_controller}: {meta.problem}; the weights stay as they are")
        if policy.value is None or problems:
            return Finding(ConditionType.POLICY_LOADED, False, PolicyReason.POLICY_FAILED, "; ".join(problems))
        identity = policy.value.identity
        return Finding(ConditionType.POLICY_LOADED, True, PolicyReason.LOADED, f"{identity.name} ({identity.digest})")

    def _simulation(self, now: float) -> SimulationStatus:
        return SimulationStatus(origin=precise_timestamp(self.clock.origin), time=precise_timestamp(now))

    def _desired(self) -> Desired:
        return Desired(self._controller.history.allocation, self._generation)

    def _refresh_policies(self, now: float) -> None:
        controller = self._controller
        chosen = _choose(self._policies, self._promotion.policy_ref, controller.job)
        self._promotion.lead(controller, policy=chosen.policy, rule=chosen.fallback, meta=chosen.meta, now=now)


def open_session(
    name: str,
    spec: SparkIoTJobSpec,
    status: SparkIoTJobStatus,
    *,
    policies: PolicyStore,
    surroundings: Surroundings,
    canaries: CanaryBoard,
    real: float,
) -> Session:
    """Start a job, or adopt it as its status left it: allocation, backlog and job time go on, decisions start anew.

    real: real time, epoch seconds. Raises BackendRefusedError or InvalidSpecError.
    """
    live = kind_of(spec, surroundings.default_backend) is BackendKind.SPARK
    job = to_job(name, spec, live=live)
    clock = JobClock(round(real, 3)) if live else _clock(spec, status, real)
    now = clock.job_time(real)
    # Only an edit opens a job again that was given up: it has all its attempts again.
    driver = retried(status.driver) if status.driver and status.phase is Phase.FAILED else status.driver
    backend = make_backend(spec, surroundings, origin=clock.origin, inherited=_inherited(status), driver=driver)
    history = History(since=now, allocation=stored_allocation(status.allocation) if status.allocation else job.initial)
    controller = _controller(job, spec.policy, policies, history)
    if status.memory_floor is not None:
        controller.raise_memory_floor(parse_memory(status.memory_floor))
    generation = status.allocation.generation if status.allocation else None
    return Session(
        spec=spec,
        clock=clock,
        backend=backend,
        controller=controller,
        promotion=JobPromotion(spec, job, ref=surroundings.ref, board=canaries, status=status, live=live, now=now),
        policies=policies,
        generation=generation or 1,
        live=live,
    )


def _of_backend(spec: SparkIoTJobSpec) -> tuple[object, ...]:
    return spec.backend, spec.simulation, spec.application, spec.shuffle.tiers, spec.restart_policy


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Who decides for a job."""

    policy: Policy
    fallback: Policy
    meta: MetaController | None


def _choose(store: PolicyStore, ref: PolicyRef, job: Job) -> _Chosen:
    loaded = store.policy(ref.name, ref.digest)
    return _Chosen(
        policy=loaded.value or UnavailablePolicy(ref.name, loaded.problem or ""),
        fallback=store.fallback(ref.fallback),
        meta=store.meta_controller(ref.meta_controller).value if job.objectives.weights is None else None,
    )


def _controller(job: Job, ref: PolicyRef, store: PolicyStore, history: History) -> Controller:
    chosen = _choose(store, ref, job)
    return Controller(job, policy=chosen.policy, fallback=chosen.fallback, meta=chosen.meta, history=history)


def _clock(spec: SparkIoTJobSpec, status: SparkIoTJobStatus, real: float) -> JobClock:
    """The clock goes on from its origin; where that would turn time back (other acceleration), it begins now."""
    acceleration = spec.simulation.acceleration if spec.simulation else 1.0
    if status.simulation is not None:
        clock = JobClock(parse_timestamp(status.simulation.origin), acceleration)
        if clock.job_time(real) + CLOCK_SLACK_S >= parse_timestamp(status.simulation.time):
            return clock
    return JobClock(round(real, 3), acceleration)


def _inherited(status: SparkIoTJobStatus) -> Inherited | None:
    if status.simulation is None:
        return None
    return Inherited(
        time=parse_timestamp(status.simulation.time),
        backlog=status.backlog,
        running=status.phase is Phase.RUNNING,
    )
