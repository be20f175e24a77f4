"""A file of lines, on its way from the gateway's disk to a sink, and where it belongs there."""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

SUFFIX = ".jsonl"
_NAME = re.compile(r"^[\w.-]+-(\d{13,16})-[0-9a-f]{8}\.jsonl$")


def new_run() -> str:
    """A name for a run of a gateway that no other one has."""
    return secrets.token_hex(4)


@dataclass(frozen=True, slots=True)
class Segment:
    """path: where it lies now. Its name says when it was begun, is unique for ever, and is its name in the sink too:
    whatever is delivered twice overwrites itself.

    The last part of the name is the run's that began it. Within a run the milliseconds grow, whatever the clock does,
    and what is older is in the sink first: a reader needs to know only how far it has read each run."""

    path: Path

    @classmethod
    def named(cls, folder: Path, *, source: str, milliseconds: int, run: str) -> Self:
        """A new one. milliseconds: epoch, of its first message; later segments of a run have more. run: of
        ``new_run``."""
        return cls(folder / f"{source}-{milliseconds:013d}-{run}{SUFFIX}")

    @classmethod
    def found(cls, path: Path) -> Self | None:
        """None for a file that is no segment."""
        return cls(path) if _NAME.match(path.name) else None

    @property
    def milliseconds(self) -> int:
        match = _NAME.match(self.path.name)
        if match is None:
            raise ValueError(f"{self.path} is not named as a segment")
        return int(match[1])

    @property
    def partition(self) -> str:
        """``date=YYYY-MM-DD/hour=HH``, UTC, of when it was begun."""
        return datetime.fromtimestamp(self.milliseconds / 1000, UTC).strftime("date=%Y-%m-%d/hour=%H")

    def lines(self) -> Iterator[bytes]:
        """Raises OSError."""
        with self.path.open("rb") as file:
            yield from file
