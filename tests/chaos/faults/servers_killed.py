"""kill -9 of a server of the data path or of the control plane; it comes back at its address."""

import time
from typing import ClassVar

from chaos.client import View
from chaos.faults.base import LiveFault
from chaos.jobs import LIVE
from chaos.schedule import Kind
from sparkiot_operator.times import parse_timestamp

BACK_S = (4.0, 8.0)


class ServerKilled(LiveFault):
    """Batches go on without it. server: its name among the world's. condition: True only where it works."""

    server: ClassVar[str]
    condition: ClassVar[str]

    def inject(self) -> None:
        if self.world.servers is not None:
            self.world.servers.kill(self.server)

    def heal(self) -> None:
        if self.world.servers is not None:
            self.world.servers.start(self.server)

    def recovered(self, view: View) -> bool:
        return super().recovered(view) and view.condition(LIVE, self.condition) == "True"


class TierKilled(ServerKilled):
    """Blocks that are out of reach are made again, on another tier. A driver that finds a tier failing as it begins
    looks again every minute."""

    lingers = True
    bound_s = 540.0
    condition = "ShuffleTiersReady"

    def recovered(self, view: View) -> bool:
        shuffle = view.status(LIVE).get("shuffle") or {}
        return super().recovered(view) and shuffle.get("tier") == view.jobs[LIVE]["spec"]["shuffle"]["tier"]


class RedisKilled(TierKilled):
    """What was in it is gone for good."""

    kind = Kind("redis-killed", frozenset({"redis"}), *BACK_S)
    about = "kill -9 of Redis, which holds the hot tier, and its return without data"
    server = "redis"


class S3Killed(TierKilled):
    """The cold tier; its trouble is told, and that it is over."""

    kind = Kind("s3-killed", frozenset({"s3"}), *BACK_S)
    about = "kill -9 of the S3 server, which holds the cold tier"
    server = "s3"


class MqttKilled(ServerKilled):
    """Signals grow stale, and decisions go on without them; rows have nothing to do with it."""

    kind = Kind("mqtt-killed", frozenset({"mqtt"}), *BACK_S)
    about = "kill -9 of the MQTT broker that brings burst signals"
    server, condition = "mqtt", "SignalFresh"

    def mark(self, view: View | None) -> None:
        super().mark(view)
        self._healed = time.time()

    def recovered(self, view: View) -> bool:
        """A signal that was made since is believed."""
        told = (view.status(LIVE).get("signal") or {}).get("time")
        newer = told is not None and parse_timestamp(told) > self._healed
        return newer and view.condition(LIVE, self.condition) == "True"
