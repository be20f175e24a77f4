"""Each row that was written is in the sink once: none lost, none twice, none that nobody wrote."""

from chaos.client import View
from chaos.world import World


class ExactlyOnce:
    """Rows that are still on their way are none that are lost: those are asked for at the end of the run."""

    name = "sink exactly once"

    def violations(self, world: World, view: View) -> list[str]:
        world.ledger.refresh()
        wrong = world.ledger.wrong(world.load.written)
        return [f"{len(wrong)} rows are doubled or unknown, the first is {wrong[0]}"] if wrong else []
