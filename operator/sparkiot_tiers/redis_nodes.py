"""The connection to Redis: one server, or a cluster when the server says that it is one; and what its errors mean."""

from __future__ import annotations

import threading
from typing import Any, Callable, TypeVar
from urllib.parse import urlsplit

from sparkiot_tiers.errors import TierDenied, TierError, TierFull, TierMisconfigured, TierSlow, TierUnavailable
from sparkiot_tiers.store import HOT

Result = TypeVar("Result")

UNREADABLE = "(a URL that cannot be read)"
SCHEMES = ("redis://", "rediss://")


class Owners:
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


class Connection:
    """Connects when it is first used. url, timeout_seconds: as of HotStore. May be used by several threads."""

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        self._url, self._timeout = url, timeout_seconds
        self.where = _address(url)
        self._lock = threading.Lock()
        self._client: Any = None
        self._cluster: Any = None

    def do(self, act: Callable[[Owners], Result]) -> Result:
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

    def close(self) -> None:
        with self._lock:
            clients, self._client, self._cluster = (self._client, self._cluster), None, None
        for client in clients:
            if client is not None:
                client.close()

    def _connected(self) -> Owners:
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
                # Nor a socket of the machine, which is no server of the job's.
                if self.where == UNREADABLE or not self.where.startswith(SCHEMES):
                    raise self._misconfigured()
                try:
                    client = redis.Redis.from_url(self._url, retry=once, **options)
                    clustered = client.info("cluster").get("cluster_enabled")
                except (TypeError, ValueError):  # an option unknown to redis-py, or a part of the password for the port
                    raise self._misconfigured() from None
                if clustered:
                    self._cluster = redis.cluster.RedisCluster.from_url(self._url, **options)
                self._client = client
            return Owners(self._client, self._cluster)

    def _misconfigured(self) -> TierError:
        return TierMisconfigured(
            HOT,
            f"the hot tier's URL {self.where} must be redis://HOST:PORT/DATABASE, or rediss://, with options that "
            "redis-py knows; in user and password, what is no letter or digit is written as %XX",
        )

    def _translated(self, error: Exception) -> TierError:
        import redis.exceptions as failures

        where = f"Redis at {self.where}"
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


def _address(url: str) -> str:
    """The URL without user and password. One in which these are not where they should be is not shown at all."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return UNREADABLE
    if not parts.hostname or any("@" in part for part in parts[2:]):  # a "/", "?" or "#" of the password ends the host
        return UNREADABLE
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"
