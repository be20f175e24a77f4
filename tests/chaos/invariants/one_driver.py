"""Never more than one driver of a job: two would write one checkpoint and one sink."""

from chaos.client import View
from chaos.jobs import LIVE
from chaos.world import World


class OneDriver:
    """By the processes, where they are ours to see, at any moment of the run; and by the pods now."""

    name = "one driver per job"

    def violations(self, world: World, view: View) -> list[str]:
        found = []
        if world.sampler.peaks.drivers > 1:
            found.append(f"{world.sampler.peaks.drivers} driver processes ran at once")
        if len(view.drivers(LIVE)) != 1:
            found.append(f"{len(view.drivers(LIVE))} driver pods have not ended")
        return found
