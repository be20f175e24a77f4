"""What an invariant is to the runner: a name, and what is wrong now."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from chaos.client import View
    from chaos.world import World


class Invariant(Protocol):
    """Asked after every step, when all faults are healed and recovered from."""

    name: str

    def violations(self, world: "World", view: "View") -> Sequence[str]:
        """What does not hold, in sentences; empty where all is well."""
        ...
