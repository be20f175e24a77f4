"""Between the agent and the tiered shuffle of the user's program, which live in one process and know nothing else.

The agent says what is wanted and how to report; without an agent, as in a plain PySpark program, nobody says anything.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, NamedTuple

Report = Callable[[Mapping[str, Any]], object]


class Wanted(NamedTuple):
    """Tier and compression of the job's current allocation, by the resource's names."""

    tier: str
    compression: str


class Link:
    """The newest wish, and what ends or hears of the shuffle. Each attribute is read and replaced as a whole."""

    def __init__(self) -> None:
        self.wanted: Wanted | None = None
        self.report: Report | None = None
        self.at_end: list[Callable[[], None]] = []
        """What the agent calls before it ends the process, which then ends without Python's own exit functions."""


LINK = Link()
