"""How blocks are named in Redis, and which parts of a block hold a range. Pure."""

from __future__ import annotations

from typing import NamedTuple

from sparkiot_tiers.store import Range

PREFIX = "sparkiot:"


class Piece(NamedTuple):
    """What one string of Redis has of a range. part: counted from 0; offset and length in bytes within the string."""

    name: str
    part: int
    offset: int
    length: int


def first_name(key: str) -> str:
    """Of a block's first part. What stands in braces decides which node of a cluster has the name."""
    return f"{PREFIX}{{{key}}}"


def later_name(first: str, part: int) -> str:
    """Of any part, the first one included."""
    return f"{first}:{part}" if part else first


def block_of(name: str) -> str:
    """The key of the block that a name belongs to."""
    return name[len(PREFIX) + 1 : name.index("}")]


def pattern(prefix: str) -> str:
    """What SCAN shall match. Keys hold none of the characters that mean something to it; a prefix may."""
    escaped = "".join("\\" + letter if letter in "*?[]^\\" else letter for letter in prefix)
    return f"{PREFIX}{{{escaped}*"


def pieces(request: Range, part_bytes: int) -> list[Piece]:
    """The parts that hold a range, in order. The range is not empty."""
    name, found = first_name(request.key), []
    offset, end = request.offset, request.offset + request.length
    while offset < end:
        part, start = divmod(offset, part_bytes)
        length = min(end - offset, part_bytes - start)
        found.append(Piece(later_name(name, part), part, start, length))
        offset += length
    return found
