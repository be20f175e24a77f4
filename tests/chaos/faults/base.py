"""What a fault is to the runner: something to inject, to heal, and to have recovered from within a stated time."""

from typing import TYPE_CHECKING, ClassVar

from chaos.client import View
from chaos.jobs import LIVE, SIMULATED
from chaos.schedule import Kind

if TYPE_CHECKING:
    from chaos.world import World


AT_WORK = frozenset(
    {"watches-slow", "watches-dropped", "watches-silent", "409", "429", "500", "conflicts", "disk", "policy"}
)
"""Levers of faults that only an operator at work meets: they share no step with what stops the one that leads."""


class Fault:
    """One fault of one kind. A kind is a class: its name, its levers and how long it may last are the schedule's.

    bound_s: seconds within which it must have been recovered from, counted from its healing. They allow for a machine
    that others use; those of faults that end the driver hold a start of Spark. luck: in [0, 1), for what is to be
    chosen.
    """

    kind: ClassVar[Kind]
    about: ClassVar[str]
    bound_s: ClassVar[float] = 90.0
    lingers: ClassVar[bool] = False
    """Whether its recovery takes so long, by design, that other steps go on meanwhile."""
    given: ClassVar[str | None] = None
    """Why it is left out on a cluster that was given; None where it is injected there too."""

    def __init__(self, world: "World", *, luck: float) -> None:
        self.world, self.luck = world, luck

    def inject(self) -> None:
        raise NotImplementedError

    def heal(self) -> None:
        """Nothing, for what only happens."""

    def met(self) -> bool:
        """Whether it has met anything yet: a storm without a request is none."""
        return True

    def mark(self, view: View | None) -> None:
        """Remember how things stand once it is healed. What recovery needs must come after."""
        self._times = {name: simulated_time(view, name) for name in SIMULATED} if view else {}

    def recovered(self, view: View) -> bool:
        """Whether what it broke works again: unless a kind says otherwise, that the simulated jobs are decided about.
        The live one may be starting for another fault's sake."""
        return all(
            settled(view, name) and simulated_time(view, name) != self._times.get(name, "") for name in SIMULATED
        )


class LiveFault(Fault):
    """One that the live job feels: the rows that had been written when it was healed must be in the sink."""

    bound_s = 420.0

    def mark(self, view: View | None) -> None:
        super().mark(view)
        self._written = self.world.load.written

    def recovered(self, view: View) -> bool:
        self.world.ledger.refresh()
        return settled(view, LIVE) and not self.world.ledger.missing(self._written)


def settled(view: View, job: str) -> bool:
    """Whether its operator has seen its spec, it runs, and its figures are fresh."""
    found = view.jobs.get(job)
    if found is None:
        return False
    seen = view.status(job).get("observedGeneration") == found["metadata"]["generation"]
    return seen and all(view.condition(job, kind) == "True" for kind in ("Ready", "ObservationFresh", "PolicyLoaded"))


def simulated_time(view: View, job: str) -> str:
    return str((view.status(job).get("simulation") or {}).get("time", ""))
