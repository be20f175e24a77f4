"""Brokers that keep what was not acknowledged, devices that repeat what was not, and a look into a landing folder."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import trustme
import yaml
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from pwdlib import PasswordHash
from support_brokers import PASSWORD, PATIENCE_S, USER, _wait_for_port
from support_operator import free_port

from sparkiot_edge.gateway import Gateway
from sparkiot_edge.settings import EdgeSettings

MOSQUITTO = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
KIND = "mosquitto" if MOSQUITTO else "amqtt"
Row = dict[str, Any]


class Broker:
    """A broker in a process of its own: Mosquitto, or amqtt kept to the standard. authority: it listens with TLS only,
    and lets in whoever has one of its certificates."""

    def __init__(self, kind: str, folder: Path, *, authority: trustme.CA | None = None) -> None:
        self.port = free_port()
        self.url = f"{'mqtts' if authority else 'mqtt'}://localhost:{self.port}"
        self._log = folder / f"{kind}.log"
        pem = folder / "server.pem"
        if authority is not None:
            authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(pem))
            authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        config = folder / f"{kind}.conf"
        self._environment = dict(os.environ)
        if kind == "mosquitto":
            lines = [f"listener {self.port} 127.0.0.1", "allow_anonymous true", "user root"]
            lines += ["log_type error", "max_queued_messages 0"]
            if authority is not None:
                lines += [
                    f"cafile {folder / 'ca.pem'}",
                    f"certfile {pem}",
                    f"keyfile {pem}",
                    "require_certificate true",
                ]
            config.write_text("\n".join(lines) + "\n")
            self._command = [MOSQUITTO or "mosquitto", "-c", str(config)]
        else:
            listener: dict[str, Any] = {"type": "tcp", "bind": f"127.0.0.1:{self.port}"}
            if authority is not None:
                listener |= {"ssl": True, "cafile": str(folder / "ca.pem"), "certfile": str(pem), "keyfile": str(pem)}
                self._environment["CLIENT_CERTIFICATES"] = "required"
            # amqtt keeps sessions of users only.
            (folder / "users").write_text(f"{USER}:{PasswordHash.recommended().hash(PASSWORD)}\n")
            plugins = {"amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(folder / "users")}}
            config.write_text(yaml.safe_dump({"listeners": {"default": listener}, "plugins": plugins}))
            self._command = [sys.executable, str(Path(__file__).with_name("support_amqtt.py")), "-c", str(config)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, env=self._environment)
        _wait_for_port(self.port, self._process, self._log)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def running(broker: Broker) -> Iterator[Broker]:
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


class Device:
    """Publishes with QoS 1 unless told otherwise, and keeps what the broker has not acknowledged."""

    def __init__(self, broker: Broker) -> None:
        client = Client(CallbackAPIVersion.VERSION2, client_id="device", clean_session=False)
        client.username_pw_set(USER, PASSWORD)
        client.max_inflight_messages_set(100)
        client.reconnect_delay_set(1, 2)
        client.on_publish = self._published
        self._client = client
        self._sent = self._acknowledged = 0
        client.connect_async("127.0.0.1", broker.port)
        client.loop_start()

    def send(self, payload: bytes | str, *, topic: str = "city/1/data", qos: int = 1, retain: bool = False) -> None:
        self._sent += 1
        self._client.publish(topic, payload, qos=qos, retain=retain)

    def settle(self) -> None:
        """Until the broker has it all."""
        end = time.monotonic() + PATIENCE_S
        while self._acknowledged < self._sent:
            assert time.monotonic() < end, f"the broker took {self._acknowledged} messages of {self._sent}"
            time.sleep(0.02)

    def _published(self, *_: Any) -> None:
        self._acknowledged += 1

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def landed(root: Path) -> list[Row]:
    """The rows of a landing folder, in the order of its files."""
    files = sorted(root.glob("date=*/hour=*/*.jsonl"), key=lambda path: path.name)
    return [orjson.loads(line) for file in files for line in file.read_bytes().splitlines()]


def until(holds: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@contextlib.contextmanager
def gateway(broker: Broker, **more: Any) -> Iterator[Gateway]:
    """One that runs, with a password that Mosquitto does not ask for. more: its settings."""
    options: dict[str, Any] = {"username": USER, "password": PASSWORD, "source": "g1"}
    found = Gateway(EdgeSettings(broker=broker.url, groups=["city=city/+/data"], **options | more))
    found.start()
    try:
        until(lambda: found.problem is None, "the gateway does not connect")
        yield found
    finally:
        found.close()
