"""How a reduce task tells the driver that blocks cannot be read: all that Spark hands on of a failure is its text."""

from __future__ import annotations

import json
from typing import NamedTuple

MARK = "sparkiot-lost-blocks:"


class Lost(NamedTuple):
    """Blocks that could not be read: of which tier, and why."""

    tier: str
    reason: str
    message: str


class LostBlocks(Exception):  # noqa: N818 - the blocks are, and the batch is not
    """Blocks cannot be read. The text holds MARK and a JSON object."""

    def __init__(self, lost: Lost) -> None:
        super().__init__(f"{MARK}{json.dumps(lost._asdict())}")


def found_in(error: BaseException) -> Lost | None:
    """What a task said of blocks that it could not read; None when the error says nothing of such."""
    text = str(error)
    start = text.find(MARK)
    if start < 0:
        return None
    try:
        found, _ = json.JSONDecoder().raw_decode(text[start + len(MARK) :])
        return Lost(found["tier"], found["reason"], found["message"])
    except (KeyError, ValueError):
        return None
