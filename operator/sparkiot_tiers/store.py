"""The protocol of the tiers. Blocks are opaque bytes under keys such as ``iot/city/run-1/7/map-3``."""

from __future__ import annotations

import re
import uuid
from typing import Callable, Iterable, Iterator, List, NamedTuple, Protocol, Sequence, Union

Buffer = Union[bytes, bytearray, memoryview]
Buffers = List[Buffer]

HOT, WARM, COLD, ARCHIVE = "Hot", "Warm", "Cold", "Archive"
TIERS = (HOT, WARM, COLD, ARCHIVE)
"""From the fastest to the slowest. The names are those of the resource."""

FALLBACK = "fallback"
"""Where below a job's keys Spark itself keeps blocks, in a folder for each application: its fallback storage."""

_PART = "[A-Za-z0-9_=-][A-Za-z0-9_=.-]{0,199}"
_KEY = re.compile(f"{_PART}(?:/{_PART})*")
MAX_KEY_LENGTH = 512


class Range(NamedTuple):
    """A part of a block. Both figures in bytes."""

    key: str
    offset: int
    length: int


class BlockInfo(NamedTuple):
    """A block as a listing has it. size in bytes, modified in seconds since the epoch."""

    key: str
    size: int
    modified: float


def every(key: str) -> bool:  # noqa: ARG001 - a choice among keys
    """Any key is chosen."""
    return True


class BlockStore(Protocol):
    """One tier. May be used by several threads at once. Every method raises TierError when the tier does not do it."""

    tier: str

    def check(self) -> None:
        """Write, read and delete a small block, so that whatever would fail a batch fails here."""

    def write(self, key: str, data: Sequence[Buffer]) -> None:
        """Store the joined buffers as one block. A reader sees all of it or none; a block of that key is replaced."""

    def read(self, requests: Sequence[Range]) -> Buffers:
        """The bytes of each range, in the order asked for. A range of length zero is empty and not looked for.

        Raises BlockMissing, which names the key, also for a block that ends before a range does.
        """

    def delete(self, keys: Iterable[str]) -> None:
        """Delete blocks. Those that are missing are fine."""

    def delete_prefix(self, prefix: str, which: Callable[[str], bool] = every) -> int:
        """Delete the blocks whose key begins so and is one of ``which``; how many.

        What writers that were killed left half-way goes with the block that it would have become; no listing has it.
        Raises ValueError for an empty prefix.
        """

    def list(self, prefix: str) -> Iterator[BlockInfo]:
        """All blocks whose key begins so, in no particular order."""

    def close(self) -> None:
        """Give up connections. A closed store is not used again."""


def check_key(key: str) -> str:
    """The key itself. Raises ValueError for one that is no plain relative path, which some tier would not take."""
    if len(key) > MAX_KEY_LENGTH or not _KEY.fullmatch(key):
        raise ValueError(
            f"{key[:80]!r} is no block's key: parts of letters, digits and _=.- that begin with no dot, at most 200 "
            f"each, joined by /, at most {MAX_KEY_LENGTH} together"
        )
    return key


def check_prefix(prefix: str) -> str:
    """The prefix itself. Raises ValueError for an empty one, which would delete what other jobs keep there."""
    if not prefix:
        raise ValueError("an empty prefix would delete every block of the tier")
    return prefix


def flat(buffer: Buffer) -> Buffer:
    """A view whose length is in bytes."""
    return buffer if isinstance(buffer, (bytes, bytearray)) else memoryview(buffer).cast("B")


def joined(data: Sequence[Buffer]) -> Buffer:
    """One buffer; copied only when there are several."""
    return flat(data[0]) if len(data) == 1 else b"".join([flat(buffer) for buffer in data])


def size_of(data: Sequence[Buffer]) -> int:
    """In bytes, all buffers together."""
    return sum(len(flat(buffer)) for buffer in data)


def probe(store: BlockStore, *, read: bool = True) -> None:
    """Write, read and delete a small block: proves the address, the place and every right that a batch needs."""
    key, content = f"sparkiot-check/{uuid.uuid4().hex}", b"sparkiot"
    store.write(key, [content])  # where that fails there is nothing to delete, and nobody to wait for once more
    try:
        if read:
            store.read([Range(key, 0, len(content))])
    finally:
        store.delete([key])
