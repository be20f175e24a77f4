"""Watches that tell late, are cut again and again, or fall silent without an end."""

from typing import ClassVar

from chaos import jobs
from chaos.client import View
from chaos.faults.base import Fault
from chaos.schedule import Kind

LASTS = (4.0, 8.0)
EXECUTORS = range(20, 100)


class WatchFault(Fault):
    """Only a watch tells of an edit: recovered is who sees one that was made after the healing."""

    what: ClassVar[str]
    """What the proxy counts it as."""
    _edited = False

    def inject(self) -> None:
        self._before = self.world.proxy.met.get(self.what, 0)

    def met(self) -> bool:
        return self.world.proxy.met.get(self.what, 0) > self._before

    def recovered(self, view: View) -> bool:
        if not self._edited:
            most = EXECUTORS[int(self.luck * len(EXECUTORS))]
            path = self.world.client.jobs_path(jobs.SIMULATED[0])
            self.world.client.merge(path, {"spec": {"scaling": {"executors": {"max": most}}}})
            self._edited = True
            return False
        return super().recovered(view)


class WatchesSlow(WatchFault):
    """What a watch tells is seconds old."""

    kind = Kind("watches-slow", frozenset({"watches-slow"}), *LASTS)
    about = "every piece of a watch comes two seconds late"
    what = "late"

    def inject(self) -> None:
        super().inject()
        self.world.proxy.weather.watch_delay_s = 2.0

    def heal(self) -> None:
        self.world.proxy.weather.watch_delay_s = 0.0


class WatchesDropped(WatchFault):
    """Each connection of a watch lives for half a second."""

    kind = Kind("watches-dropped", frozenset({"watches-dropped"}), *LASTS)
    about = "watches are cut twice a second"
    what = "cut"

    def inject(self) -> None:
        super().inject()
        self.world.proxy.weather.cut_every_s = 0.5

    def heal(self) -> None:
        self.world.proxy.weather.cut_every_s = None


class WatchesSilent(WatchFault):
    """A connection that says nothing any more stays so: only the client's own time-out ends it."""

    kind = Kind("watches-silent", frozenset({"watches-silent"}), *LASTS)
    about = "watches stay open and tell nothing, until their client gives them up"
    bound_s = 120.0
    what = "dumb"

    def inject(self) -> None:
        super().inject()
        self.world.proxy.weather.silent = True

    def heal(self) -> None:
        self.world.proxy.weather.silent = False
