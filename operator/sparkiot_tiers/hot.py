"""The hot tier: blocks in the memory of a Redis server, or of a Redis Cluster when the server says that it is one.

A block is a string; one that is larger than a part's size is several, which a transaction writes together. A name holds
the block's key in braces, so that a cluster keeps the parts of a block on one node. All but the last part are full, and
the last one never is: what an earlier, larger block of the same key left behind can be told from a part of this one.

Names expire, so that the blocks of a dead job go away by themselves. That makes them candidates for eviction: a server
that would evict is refused, and one that is full is told so before it has to say it.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, Iterable, Iterator, NamedTuple, Sequence, Tuple, TypeVar
from urllib.parse import urlsplit

from sparkiot_tiers.errors import (
    BlockMissing,
    TierDenied,
    TierError,
    TierFull,
    TierMisconfigured,
    TierSlow,
    TierUnavailable,
)
from sparkiot_tiers.names import Piece, block_of, first_name, later_name, pattern, pieces
from sparkiot_tiers.store import HOT, BlockInfo, Buffer, Buffers, Range, check_key, check_prefix, joined, probe

Result = TypeVar("Result")
Trip = Sequence[Tuple[int, Piece]]
"""Pieces to read in one round trip, each with the number of its request."""

PART_BYTES = 64 << 20
"""A string of Redis holds 512 MiB; a smaller one holds up other clients for less long while it is copied."""
MAX_PARTS = 32
TRIP_BYTES = 32 << 20
"""How much one round trip reads: the server holds it in memory until it is sent."""
TRIP_COMMANDS = 1000
LOOK_SECONDS = 0.1
"""How old the reading of the server's memory may be; what this process wrote since is added."""
ALLOCATED = 1.25
"""Bytes that Redis takes up for a byte of a large string, at most: jemalloc has four sizes between powers of two."""


class Memory(NamedTuple):
    """A server's memory as it was read: bytes in use, the bytes that it may use (None: no limit), and when."""

    used: int
    limit: int | None
    read_at: float


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
        self._url = url
        self._ttl_ms = max(int(ttl_seconds * 1000), 1)
        self._ceiling = ceiling_bytes
        self._timeout = timeout_seconds
        self._part_bytes = part_bytes
        self._clock = clock
        self._where = _address(url)
        self._lock = threading.Lock()
        self._client: Any = None
        self._cluster: Any = None
        self._memory: dict[str, Memory] = {}

    def check(self) -> None:
        probe(self)

    def describe(self) -> str:
        """What serves, such as ``Redis 7.2.4``."""
        found: Any = self._do(lambda owners: owners.client.info("server"))
        return f"Redis {found.get('redis_version', '')}".strip()

    def write(self, key: str, data: Sequence[Buffer]) -> None:
        name, block = first_name(check_key(key)), joined(data)
        if len(block) >= self._part_bytes * MAX_PARTS:
            raise TierFull(
                HOT,
                f"Redis at {self._where}: a block of {len(block)} bytes is too large, as the hot tier takes less than "
                f"{self._part_bytes * MAX_PARTS}; use more partitions or another tier",
            )

        def act(owners: _Owners) -> None:
            node, client = owners.of(name)
            self._claim(node, client, len(block))
            if len(block) < self._part_bytes:
                client.set(name, block, px=self._ttl_ms)
                return
            view = memoryview(block)
            with client.pipeline(transaction=True) as pipe:
                for number, start in enumerate(range(0, len(block) + 1, self._part_bytes)):
                    pipe.set(later_name(name, number), view[start : start + self._part_bytes], px=self._ttl_ms)
                pipe.execute()

        self._do(act)

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
        def act(owners: _Owners) -> None:
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

        self._do(act)
        for place, _ in trip:
            if len(answers[place]) != requests[place].length:
                raise self._missing(requests[place], len(answers[place]))

    def _read_parts(self, request: Range, parts: Sequence[Piece]) -> Buffer:
        """Of a block that is larger than a part; together with proof that all parts before are those of one block."""
        name, last = first_name(request.key), parts[-1].part

        def act(owners: _Owners) -> list[Any]:
            with owners.of(name)[1].pipeline(transaction=True) as pipe:
                for number in range(last):
                    pipe.strlen(later_name(name, number))
                for piece in parts:
                    pipe.getrange(piece.name, piece.offset, piece.offset + piece.length - 1)
                answer: list[Any] = pipe.execute()
                return answer

        found = self._do(act)
        data = b"".join(found[last:])
        if any(length != self._part_bytes for length in found[:last]) or len(data) != request.length:
            raise self._missing(request, min(len(data), request.length - 1))
        return data

    def delete(self, keys: Iterable[str]) -> None:
        names = [first_name(key) for key in keys]
        for start in range(0, len(names), TRIP_COMMANDS):
            self._unlink(names[start : start + TRIP_COMMANDS])

    def delete_prefix(self, prefix: str) -> int:
        keys = {block_of(name) for name in self._names(check_prefix(prefix))}
        self.delete(keys)
        return len(keys)

    def list(self, prefix: str) -> Iterator[BlockInfo]:
        parts: dict[str, list[str]] = {}
        for name in self._names(prefix):
            parts.setdefault(block_of(name), []).append(name)
        for key, names in parts.items():

            def act(owners: _Owners, names: list[str] = names) -> list[Any]:
                with owners.of(names[0])[1].pipeline(transaction=False) as pipe:
                    for name in names:
                        pipe.strlen(name)
                    pipe.pttl(names[0])
                    answer: list[Any] = pipe.execute()
                    return answer

            *sizes, left_ms = self._do(act)
            if left_ms > 0:  # else it has gone since
                yield BlockInfo(key, sum(sizes), self._clock() - (self._ttl_ms - left_ms) / 1000)

    def close(self) -> None:
        with self._lock:
            clients, self._client, self._cluster = (self._client, self._cluster), None, None
        for client in clients:
            if client is not None:
                client.close()

    def _unlink(self, names: Sequence[str]) -> None:
        def act(owners: _Owners) -> None:
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

        self._do(act)

    def _names(self, prefix: str) -> Sequence[str]:
        def act(owners: _Owners) -> list[str]:
            found = []
            for client in owners.all():
                found += [name.decode() for name in client.scan_iter(match=pattern(prefix), count=TRIP_COMMANDS)]
            return found

        return self._do(act)

    def _claim(self, node: str, client: Any, size: int) -> None:
        """Raises TierFull when the block would not fit, TierMisconfigured for a server that evicts."""
        with self._lock:
            memory = self._memory.get(node)
        if memory is None or not 0 <= self._clock() - memory.read_at < LOOK_SECONDS:
            memory = self._look(client)
        kept = int(size * ALLOCATED)
        arriving = int(min(size, self._part_bytes) * ALLOCATED)  # the server holds a part once more while it comes in
        if memory.limit is not None and memory.used + kept + arriving > memory.limit:
            raise TierFull(
                HOT,
                f"Redis at {self._where} has no room for a block of {size} bytes: {memory.used} of {memory.limit} are "
                "in use; raise its maxmemory or the tier's ceiling, or let more servers share the load",
            )
        with self._lock:
            self._memory[node] = memory._replace(used=memory.used + kept)

    def _look(self, client: Any) -> Memory:
        found = client.info("memory")
        own, policy = int(found.get("maxmemory", 0)), found.get("maxmemory_policy", "noeviction")
        if own and policy != "noeviction":
            raise TierMisconfigured(
                HOT,
                f"Redis at {self._where} has the maxmemory-policy {policy}, which may evict blocks that are yet to be "
                "read; set it to noeviction",
            )
        limits = [limit for limit in (own, self._ceiling) if limit]
        return Memory(int(found["used_memory"]), min(limits, default=None), self._clock())

    def _missing(self, request: Range, found: int) -> BlockMissing:
        end = request.offset + request.length
        return BlockMissing(
            HOT,
            request.key,
            f"Redis at {self._where}: block {request.key} is not there, or has fewer than the {end} bytes asked for "
            f"({found} of these {request.length} were found); it expired, was deleted, or the server lost it",
        )

    def _do(self, act: Callable[[_Owners], Result]) -> Result:
        """Once more when a cluster's slots have moved or their node has gone; everything done here may be repeated."""
        import redis.exceptions as failures

        try:
            owners = self._connected()
            try:
                return act(owners)
            except (failures.MovedError, failures.ClusterDownError, failures.ConnectionError):
                if owners.cluster is None:
                    raise
                owners.cluster.nodes_manager.initialize()
                return act(owners)
        except (failures.RedisError, failures.RedisClusterException, OSError) as error:
            raise self._translated(error) from error

    def _connected(self) -> _Owners:
        import redis
        import redis.backoff
        import redis.cluster
        import redis.retry

        with self._lock:
            if self._client is None:
                options = {
                    "socket_timeout": self._timeout,
                    "socket_connect_timeout": self._timeout,
                    "socket_keepalive": True,
                }
                once = redis.retry.Retry(redis.backoff.NoBackoff(), 1)  # for a connection that broke while it lay idle
                try:
                    client = redis.Redis.from_url(self._url, retry=once, **options)
                except ValueError as error:
                    raise TierMisconfigured(
                        HOT, f"the hot tier's URL {self._where} must be redis://HOST:PORT/DATABASE, or rediss://"
                    ) from error
                if client.info("cluster").get("cluster_enabled"):
                    self._cluster = redis.cluster.RedisCluster.from_url(self._url, **options)
                self._client = client
            return _Owners(self._client, self._cluster)

    def _translated(self, error: Exception) -> TierError:
        import redis.exceptions as failures

        where = f"Redis at {self._where}"
        denied = (
            failures.AuthenticationError,
            failures.AuthorizationError,
            failures.NoPermissionError,
            failures.AuthenticationWrongNumberOfArgsError,
        )
        if isinstance(error, denied):
            return TierDenied(HOT, f"{where} refuses the credentials or a command: {error}; check the URL's secret")
        if isinstance(error, failures.OutOfMemoryError):
            return TierFull(HOT, f"{where} is full: {error}; raise its maxmemory, or let more servers share the load")
        if isinstance(error, (failures.TimeoutError, TimeoutError)):
            return TierSlow(HOT, f"{where} did not answer within {self._timeout:g} s; look at its load and the network")
        if isinstance(error, failures.ReadOnlyError):
            return TierMisconfigured(HOT, f"{where} is a replica and takes no writes; give the primary's address")
        return TierUnavailable(HOT, f"{where} does not serve: {error}; see that it runs and can be reached")


class _Owners:
    """Which server has a name. Every client is one of a single server."""

    def __init__(self, client: Any, cluster: Any) -> None:
        self.client, self.cluster = client, cluster

    def of(self, name: str) -> tuple[str, Any]:
        """The server's name and a client of it."""
        if self.cluster is None:
            return "", self.client
        node = self.cluster.get_node_from_key(name)
        return node.name, self.cluster.get_redis_connection(node)

    def all(self) -> list[Any]:
        if self.cluster is None:
            return [self.client]
        return [self.cluster.get_redis_connection(node) for node in self.cluster.get_primaries()]


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


def _address(url: str) -> str:
    """The URL without user and password."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(a URL that cannot be read)"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
