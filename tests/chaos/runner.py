"""Goes through the steps: inject, heal, wait for recovery, ask every invariant; and see that nothing is left."""

import heapq
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chaos import jobs
from chaos.client import View
from chaos.ending import end
from chaos.faults.base import Fault, settled
from chaos.figures import Figures
from chaos.invariants.base import Invariant
from chaos.schedule import Step
from chaos.world import START_S, World

POLL_S = 0.3
MEET_S = 20.0
"""By which a fault is prolonged that has met nothing yet."""
CONVERGED_S = 90.0
"""For what a step changed itself, once all of its faults are recovered from."""
EXECUTORS = range(8, 20)


class ViolationError(Exception):
    """Something did not hold."""


@dataclass
class Open:
    """A fault that is healed and not recovered from. healed: when, by the running clock."""

    fault: Fault
    healed: float


class Runner:
    """say: takes a line of progress."""

    def __init__(self, world: World, invariants: Sequence[Invariant], *, say: Callable[[str], None]) -> None:
        self.figures = Figures()
        self._world, self._invariants, self._say = world, invariants, say
        self._open: list[Open] = []
        self._guest: str | None = None
        self._leaving: str | None = None

    def begin(self) -> None:
        """Everything starts. Raises ViolationError when that takes longer than anything should."""
        started = time.monotonic()
        self._world.begin()
        self._until(self._all_well, within_s=START_S, what="every job runs for a start")
        self._say(f"all jobs run after {time.monotonic() - started:.0f} s")

    def step(self, step: Step, faults: Sequence[Fault]) -> None:
        """Raises ViolationError."""
        begun = time.monotonic()
        self._recover(lambda each: each.fault.lingers and any(each.fault.kind == f.kind for f in faults))
        self._say(f"step {step.number}: {', '.join(planned.kind for planned in step.faults)}")
        self._change(step)
        self._inject(step, faults)
        self._recover(lambda each: not each.fault.lingers)
        self._check(self._until(self._all_well, within_s=CONVERGED_S, what="every job is as its spec says"))
        self.figures.steps += 1
        self._say(f"step {step.number}: all holds after {time.monotonic() - begun:.0f} s")

    def end(self) -> None:
        """Every row is in the sink, and when the jobs are deleted nothing is left of them. Raises ViolationError."""
        world = self._world
        self._recover(lambda _: True)
        world.load.close()
        self._until(self._nothing_missing, within_s=jobs.SETTLE_S, what=f"all {world.load.written} rows in the sink")
        self._say(f"all {world.load.written} rows are in the sink")
        self._check(self._until(self._all_well, within_s=CONVERGED_S, what="every job is as its spec says"))
        if left := end(world):
            raise ViolationError("; ".join(left))
        self._say("the jobs are deleted, and nothing is left")

    def _change(self, step: Step) -> None:
        """Edit two jobs, create one and delete the one before: what people do while things break."""
        client, name = self._world.client, f"guest-{step.number}"
        edited = jobs.SIMULATED[step.number % len(jobs.SIMULATED)]
        most = EXECUTORS[int(step.luck * len(EXECUTORS))]
        client.merge(client.jobs_path(edited), {"spec": {"scaling": {"executors": {"max": most}}}})
        client.create(client.jobs_path(), jobs.simulated(name))
        if self._guest is not None:
            client.delete(client.jobs_path(self._guest))
        self._leaving, self._guest = self._guest, name
        if self._world.servers is not None:
            tier = ("Cold", "Hot")[step.number % 2]
            client.merge(client.jobs_path(jobs.LIVE), {"spec": {"shuffle": {"tier": tier}}})

    def _inject(self, step: Step, faults: Sequence[Fault]) -> None:
        """Inject and heal each in its time, and note what is recovered from meanwhile."""
        begun, order = time.monotonic(), itertools.count()
        due = [(begun + p.after, next(order), p.lasts, f, True) for p, f in zip(step.faults, faults, strict=True)]
        heapq.heapify(due)
        while due:
            at, _, lasts, fault, begins = heapq.heappop(due)
            while (left := at - time.monotonic()) > 0:
                self._poll(min(left, POLL_S))
            if begins:
                fault.inject()
                heapq.heappush(due, (time.monotonic() + lasts, next(order), 0.0, fault, False))
                continue
            until = time.monotonic() + MEET_S if fault.kind.longest else 0.0
            while not fault.met() and time.monotonic() < until:
                self._poll(POLL_S)
            fault.heal()
            healed, met = time.monotonic(), fault.met()
            self.figures.inject(fault.kind.name, met=met)
            if met:
                fault.mark(self._world.look())
                self._open.append(Open(fault, healed))

    def _recover(self, awaited: Callable[[Open], bool]) -> None:
        """Until those that are awaited are recovered from; whoever else is by then is noted too."""
        while any(awaited(each) for each in self._open):
            self._poll(POLL_S)

    def _poll(self, pause_s: float) -> None:
        """Look once, if there is anything to look for, and pause. Raises ViolationError for a bound that is passed."""
        view = self._world.look() if self._open else None
        now = time.monotonic()
        for each in list(self._open):
            name, after = each.fault.kind.name, now - each.healed
            if view is not None and each.fault.recovered(view):
                self._open.remove(each)
                self.figures.recover(name, after)
                self._say(f"    {name}: recovered after {after:.1f} s")
            elif after > each.fault.bound_s:
                bound = f"{each.fault.bound_s:g} s"
                raise ViolationError(f"{name} was not recovered from within {bound}\n{describe(view)}")
        time.sleep(pause_s)

    def _check(self, view: View) -> None:
        found = [f"{i.name}: {wrong}" for i in self._invariants for wrong in i.violations(self._world, view)]
        if found:
            raise ViolationError("\n".join(found))

    def _until(self, holds: Callable[[View], bool], *, within_s: float, what: str) -> View:
        until = time.monotonic() + within_s
        while True:
            view = self._world.look()
            if view is not None and holds(view):
                return view
            if time.monotonic() > until:
                raise ViolationError(f"not within {within_s:g} s: {what}\n{describe(view)}")
            time.sleep(POLL_S)

    def _all_well(self, view: View) -> bool:
        """Every job is as its spec says, one that was deleted is gone, and signals come. Of the tiers those tell that
        linger."""
        guests = [self._guest] if self._guest else []
        well = all(settled(view, name) for name in (*self._world.job_names, *guests)) and self._leaving not in view.jobs
        return well and (self._world.servers is None or view.condition(jobs.LIVE, "SignalFresh") == "True")

    def _nothing_missing(self, _: View) -> bool:
        self._world.ledger.refresh()
        return not self._world.ledger.missing(self._world.load.written)


def describe(view: View | None) -> str:
    """What a person would look at first."""
    if view is None:
        return "the API server does not answer"
    lines = []
    for name, job in view.jobs.items():
        conditions = view.status(name).get("conditions", [])
        told = [f"{c['type']}={c['status']} {c['reason']}: {c['message'][:160]}" for c in conditions]
        seen = f"generation {job['metadata']['generation']}, seen {view.status(name).get('observedGeneration')}"
        lines += [f"{name}: {seen}", *(f"    {line}" for line in told)]
    lines += [f"pod {p['metadata']['name']}: {p['status'].get('phase')}" for p in view.pods]
    return "\n".join([*lines, f"lease: {view.lease.get('spec')}"])
