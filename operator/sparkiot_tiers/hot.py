"""The hot tier: blocks in the memory of a Redis server, or of a Redis Cluster when the server says that it is one.

A block is a string; one that is larger than a part's size is several, which a transaction writes together. A name holds
the block's key in braces, so that a cluster keeps the parts of a block on one node. All but the last part are full, and
the last one never is: what an earlier, larger block of the same key left behind can be told from a part of this one.

Names expire, so that the blocks of a dead job go away by themselves. That makes them candidates for eviction: a server
that would evict is refused, and one that is full is told so before it has to say it.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Iterable, Iterator, Sequence, Tuple

from sparkiot_tiers.errors import BlockMissing, TierFull
from sparkiot_tiers.names import Piece, block_of, first_name, later_name, pattern, pieces
from sparkiot_tiers.redis_memory import Room
from sparkiot_tiers.redis_nodes import Connection, Owners
from sparkiot_tiers.store import HOT, BlockInfo, Buffer, Buffers, Range, check_key, check_prefix, every, joined, probe

Trip = Sequence[Tuple[int, Piece]]
"""Pieces to read in one round trip, each with the number of its request."""

PART_BYTES = 64 << 20
"""A string of Redis holds 512 MiB; a smaller one holds up other clients for less long while it is copied."""
MAX_PARTS = 32
TRIP_BYTES = 32 << 20
"""How much one round trip reads: the server holds it in memory until it is sent."""
TRIP_COMMANDS = 1000


class HotStore:
    """url: ``redis://`` or ``rediss://``, with credentials where the server wants them.

    ttl_seconds: when a block goes away by itself; longer than a batch lasts. ceiling_bytes: how much memory each server
    may have in use altogether before blocks are refused, below its own ``maxmemory``. timeout_seconds: for a
    connection, and for each part of an answer.
    """

    tier = HOT

    def __init__(
        self,
        url: str,
        *,
        ttl_seconds: float = 3600.0,
        ceiling_bytes: int | None = None,
        timeout_seconds: float = 10.0,
        part_bytes: int = PART_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._redis = Connection(url, timeout_seconds=timeout_seconds)
        self._room = Room(self._redis.where, ceiling=ceiling_bytes, clock=clock)
        self._ttl_ms = max(int(ttl_seconds * 1000), 1)
        self._part_bytes = part_bytes
        self._clock = clock

    def check(self) -> None:
        probe(self)

    def describe(self) -> str:
        """What serves, such as ``Redis 7.2.4``."""
        found: Any = self._redis.do(lambda owners: owners.client.info("server"))
        return f"Redis {found.get('redis_version', '')}".strip()

    def write(self, key: str, data: Sequence[Buffer]) -> None:
        name, block = first_name(check_key(key)), joined(data)
        if len(block) >= self._part_bytes * MAX_PARTS:
            raise TierFull(
                HOT,
                f"Redis at {self._redis.where}: a block of {len(block)} bytes is too large, as the hot tier takes less "
                f"than {self._part_bytes * MAX_PARTS}; use more partitions or another tier",
            )

        def act(owners: Owners) -> None:
            node, client = owners.of(name)
            self._room.claim(node, client, len(block), at_once=self._part_bytes)
            if len(block) < self._part_bytes:
                client.set(name, block, px=self._ttl_ms)
                return
            view = memoryview(block)
            with client.pipeline(transaction=True) as pipe:
                for number, start in enumerate(range(0, len(block) + 1, self._part_bytes)):
                    pipe.set(later_name(name, number), view[start : start + self._part_bytes], px=self._ttl_ms)
                pipe.execute()

        self._redis.do(act)

    def read(self, requests: Sequence[Range]) -> Buffers:
        answers: Buffers = [b""] * len(requests)
        plain: list[tuple[int, Piece]] = []
        for place, request in enumerate(requests):
            if request.length <= 0:
                continue
            if request.offset + request.length > self._part_bytes * MAX_PARTS:
                raise self._missing(request, 0)
            parts = pieces(request, self._part_bytes)
            if parts[-1].part:
                answers[place] = self._read_parts(request, parts)
            else:
                plain.append((place, parts[0]))
        for trip in _trips(plain):
            self._read_trip(requests, trip, answers)
        return answers

    def _read_trip(self, requests: Sequence[Range], trip: Trip, answers: Buffers) -> None:
        def act(owners: Owners) -> None:
            by_node: dict[str, list[tuple[int, Piece]]] = {}
            clients: dict[str, Any] = {}
            for place, piece in trip:
                node, clients[node] = owners.of(piece.name)
                by_node.setdefault(node, []).append((place, piece))
            for node, wanted in by_node.items():
                with clients[node].pipeline(transaction=False) as pipe:
                    for _, piece in wanted:
                        pipe.getrange(piece.name, piece.offset, piece.offset + piece.length - 1)
                    for (place, _), answer in zip(wanted, pipe.execute()):
                        answers[place] = answer

        self._redis.do(act)
        for place, _ in trip:
            if len(answers[place]) != requests[place].length:
                raise self._missing(requests[place], len(answers[place]))

    def _read_parts(self, request: Range, parts: Sequence[Piece]) -> Buffer:
        """Of a block that is larger than a part; together with proof that all parts before are those of one block."""
        name, last = first_name(request.key), parts[-1].part

        def act(owners: Owners) -> list[Any]:
            with owners.of(name)[1].pipeline(transaction=True) as pipe:
                for number in range(last):
                    pipe.strlen(later_name(name, number))
                for piece in parts:
                    pipe.getrange(piece.name, piece.offset, piece.offset + piece.length - 1)
                answer: list[Any] = pipe.execute()
                return answer

        found = self._redis.do(act)
        data = b"".join(found[last:])
        if any(length != self._part_bytes for length in found[:last]) or len(data) != request.length:
            raise self._missing(request, min(len(data), request.length - 1))
        return data

    def delete(self, keys: Iterable[str]) -> None:
        names = [first_name(key) for key in keys]
        for start in range(0, len(names), TRIP_COMMANDS):
            self._unlink(names[start : start + TRIP_COMMANDS])

    def delete_prefix(self, prefix: str, which: Callable[[str], bool] = every) -> int:
        keys = {key for key in map(block_of, self._names(check_prefix(prefix))) if which(key)}
        self.delete(keys)
        return len(keys)

    def list(self, prefix: str) -> Iterator[BlockInfo]:
        parts: dict[str, list[str]] = {}
        for name in self._names(prefix):
            parts.setdefault(block_of(name), []).append(name)
        for key, names in parts.items():

            def act(owners: Owners, names: list[str] = names) -> list[Any]:
                with owners.of(names[0])[1].pipeline(transaction=False) as pipe:
                    for name in names:
                        pipe.strlen(name)
                    pipe.pttl(names[0])
                    answer: list[Any] = pipe.execute()
                    return answer

            *sizes, left_ms = self._redis.do(act)
            if left_ms > 0:  # else it has gone since
                yield BlockInfo(key, sum(sizes), self._clock() - (self._ttl_ms - left_ms) / 1000)

    def close(self) -> None:
        self._redis.close()

    def _unlink(self, names: Sequence[str]) -> None:
        def act(owners: Owners) -> None:
            by_node: dict[str, list[str]] = {}
            clients: dict[str, Any] = {}
            for name in names:
                node, clients[node] = owners.of(name)
                by_node.setdefault(node, []).append(name)
            for node, wanted in by_node.items():
                with clients[node].pipeline(transaction=False) as pipe:
                    for name in wanted:
                        pipe.unlink(name, later_name(name, 1))
                    gone = pipe.execute()
                for name, number in zip(wanted, gone):
                    if number > 1:
                        clients[node].unlink(*(later_name(name, part) for part in range(2, MAX_PARTS)))

        self._redis.do(act)

    def _names(self, prefix: str) -> Sequence[str]:
        def act(owners: Owners) -> list[str]:
            found = []
            for client in owners.all():
                found += [name.decode() for name in client.scan_iter(match=pattern(prefix), count=TRIP_COMMANDS)]
            return found

        return self._redis.do(act)

    def _missing(self, request: Range, found: int) -> BlockMissing:
        end = request.offset + request.length
        return BlockMissing(
            HOT,
            request.key,
            f"Redis at {self._redis.where}: block {request.key} is not there, or has fewer than the {end} bytes asked "
            f"for ({found} of these {request.length} were found); it expired, was deleted, or the server lost it",
        )


def _trips(wanted: Sequence[tuple[int, Piece]]) -> Iterator[Trip]:
    """Split what is to be read into round trips."""
    trip: list[tuple[int, Piece]] = []
    size = 0
    for place, piece in wanted:
        if trip and (size + piece.length > TRIP_BYTES or len(trip) == TRIP_COMMANDS):
            yield trip
            trip, size = [], 0
        trip.append((place, piece))
        size += piece.length
    if trip:
        yield trip
