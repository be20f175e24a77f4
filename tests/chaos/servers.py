"""Redis, S3 and an MQTT broker that can be killed and come back at their addresses, and what announces bursts."""

import contextlib
import threading
import time
from pathlib import Path
from typing import Any

import boto3
import botocore.config
import redis
from paho.mqtt.client import Client as MqttClient
from paho.mqtt.enums import CallbackAPIVersion
from support_forwarding import KIND, Broker
from support_operator import free_port
from support_tiers import BUCKET, HOST, KEY, PASSWORD, SECRET, redis_server, s3_server

from sparkiot_edge.signal import Signal

TOPIC = "iot/metadata/chaos"
SIGNAL_S = 1.0


class Servers:
    """All of them, each in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.redis_port, self.s3_port = free_port(), free_port()
        self.s3_endpoint = f"http://{HOST}:{self.s3_port}"
        self._running: dict[str, contextlib.ExitStack] = {}
        for name in ("redis", "s3", "mqtt"):
            (folder / name).mkdir()
        self.broker = Broker(KIND, folder / "mqtt")

    def start(self, name: str) -> None:
        """Redis has forgotten everything then; the others go on with what they had."""
        stack, folder = contextlib.ExitStack(), self._folder / name
        if name == "redis":
            stack.enter_context(redis_server(folder, port=self.redis_port))
        elif name == "s3":
            stack.enter_context(s3_server(folder, port=self.s3_port))
        else:
            self.broker.start()
            stack.callback(self.broker.kill)
        self._running[name] = stack

    def kill(self, name: str) -> None:
        """With SIGKILL."""
        if stack := self._running.pop(name, None):
            stack.close()

    def close(self) -> None:
        for name in list(self._running):
            self.kill(name)

    def blocks(self) -> list[str]:
        """The names of all blocks in Redis and S3."""
        keys = [key.decode() for key in redis.Redis(HOST, self.redis_port, password=PASSWORD).scan_iter()]
        listed: Any = self._s3().list_objects_v2(Bucket=BUCKET)
        return keys + [found["Key"] for found in listed.get("Contents", [])]

    def _s3(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.s3_endpoint,
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            config=botocore.config.Config(s3={"addressing_style": "path"}),
        )


class Announcer:
    """Publishes a signal every second, as an edge gateway does, and comes back when its broker does."""

    def __init__(self, broker: Broker) -> None:
        self._client = MqttClient(CallbackAPIVersion.VERSION2, client_id="announcer")
        self._client.reconnect_delay_set(1, 1)
        self._client.connect_async("127.0.0.1", broker.port)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._announce, name="announcer", daemon=True)

    def start(self) -> None:
        self._client.loop_start()
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._client.loop_stop()

    def _announce(self) -> None:
        while not self._stop.wait(SIGNAL_S):
            signal = Signal(
                schema=1,
                time=time.time(),
                horizon=60.0,
                predictedRate=10.0,
                probability=0.1,
                alarm=False,
                model="Steady",
                source="chaos/gateway",
            )
            self._client.publish(TOPIC, signal.encode())
