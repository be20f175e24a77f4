"""A real MQTT broker as a child of a command: Mosquitto where it is installed, else amqtt, which pip brings."""

import contextlib
import importlib.util
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from sparkiot_operator.processes import Child

MOSQUITTO_PLACES = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"
"""Where it is though the user's PATH may not say so."""


def local_broker(folder: Path, port: int) -> Child | None:
    """A broker that listens on a loopback port while the context lasts; None where there is none to run."""
    if command := _mosquitto(folder, port):
        return Child(command[1:], program=command[:1], name="mosquitto", log=folder / "broker.log")
    if command := _amqtt(folder, port):
        return Child(command[1:], program=command[:1], name="amqtt", log=folder / "broker.log")
    return None


def listens(port: int) -> bool:
    """Whether somebody answers on a loopback port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _mosquitto(folder: Path, port: int) -> Sequence[str] | None:
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path=MOSQUITTO_PLACES)
    if found is None:
        return None
    config = folder / "mosquitto.conf"
    # No limit to what waits for the gateway: a message that the broker drops would look like one that Spark lost.
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n", encoding="ascii")
    return [found, "-c", str(config)]


def _amqtt(folder: Path, port: int) -> Sequence[str] | None:
    if importlib.util.find_spec("amqtt") is None:
        return None
    config = folder / "amqtt.yaml"
    config.write_text(
        f"listeners: {{default: {{type: tcp, bind: '127.0.0.1:{port}'}}}}\n"
        "plugins: {amqtt.plugins.authentication.AnonymousAuthPlugin: {allow_anonymous: true}}\n",
        encoding="ascii",
    )
    return [sys.executable, "-m", "amqtt.scripts.broker_script", "-c", str(config)]
