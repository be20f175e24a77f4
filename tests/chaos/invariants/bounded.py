"""Operators do not grow: memory, descriptors and threads stay below a ceiling, events below a rate."""

from chaos.client import View
from chaos.world import World

MOST_MEMORY_MIB = 400.0
MOST_DESCRIPTORS = 120
MOST_THREADS = 60
MOST_EVENTS = 60
"""Of one job in one step: a minute or two in which several things break."""


class Bounded:
    """The ceilings are twice what a quiet operator takes, and more; what grows without a bound goes through any."""

    name = "no unbounded memory or queue"

    def __init__(self) -> None:
        self._events: dict[str, int] = {}

    def violations(self, world: World, view: View) -> list[str]:
        peaks, found = world.sampler.peaks, []
        for what, value, most in (
            ("MiB of memory", peaks.memory_mib, MOST_MEMORY_MIB),
            ("file descriptors", peaks.descriptors, MOST_DESCRIPTORS),
            ("threads", peaks.threads, MOST_THREADS),
        ):
            if value > most:
                found.append(f"an operator had {value:.0f} {what}, at most {most:g} are allowed")
        before, self._events = self._events, _events(world)
        for job, count in self._events.items():
            if count - before.get(job, 0) > MOST_EVENTS:
                found.append(f"{count - before.get(job, 0)} events on {job} in one step")
        return found


def _events(world: World) -> dict[str, int]:
    found: dict[str, int] = {}
    for event in world.client.items(world.client.core_path("events")):
        if event["involvedObject"]["kind"] == "SparkIoTJob":
            name = event["involvedObject"]["name"]
            found[name] = found.get(name, 0) + 1
    return found
