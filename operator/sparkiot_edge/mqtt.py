"""One connection to an MQTT broker: how to get in, and a link that comes back by itself.

Both ends of the control plane use it, the gateway and the operator. paho's own thread reads the socket, and calls back
on that thread.
"""

import logging
import ssl
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

LOGGER = logging.getLogger(__name__)
PORTS = {"mqtt": 1883, "mqtts": 8883}
RECONNECT_S = (1, 30)
"""Shortest and longest wait before another attempt; it doubles. A broker that restarted is found within the latter."""
KEEPALIVE_S = 15
"""After one and a half of these without a word the broker takes the link for dead, and so does the client."""
QOS = 1


class BrokerError(ValueError):
    """A broker's address or credentials cannot be used. The message never holds a password or a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where a broker is and how to get in.

    url: mqtt://host[:port] or mqtts://host[:port], without credentials. tls: for mqtts; the system's authorities when
    None. Raises BrokerError.
    """

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in PORTS or not parts.hostname:
            raise BrokerError("the broker's URL must be mqtt://host[:port] or mqtts://host[:port]")
        if parts.username is not None or parts.password is not None:
            raise BrokerError("the broker's URL must not hold credentials: a URL is shown in logs and status")
        try:
            _ = parts.port
        except ValueError:
            raise BrokerError("the broker's URL has a port that is no number up to 65535") from None
        if self.password is not None and self.username is None:
            raise BrokerError("a password needs a user name")
        if self.tls is not None and parts.scheme != "mqtts":
            raise BrokerError("certificates need mqtts://")

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        parts = urlsplit(self.url)
        return parts.port or PORTS[parts.scheme]

    @property
    def encrypted(self) -> bool:
        return urlsplit(self.url).scheme == "mqtts"


def tls_context(*, authority: str | None, certificate: str | None, key: str | None) -> ssl.SSLContext:
    """All PEM text. authority: who may have signed the broker's certificate; the system's when None. certificate, key:
    the client's. Raises BrokerError."""
    if (certificate is None) != (key is None):
        raise BrokerError("a client certificate and its key belong together: one of them is missing")
    try:
        context = ssl.create_default_context(cadata=authority)
        if certificate is not None and key is not None:
            _load_pair(context, certificate, key)
    except (ssl.SSLError, ValueError) as error:
        raise BrokerError(f"a certificate or key is no PEM that can be used ({type(error).__name__})") from None
    return context


def _load_pair(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """OpenSSL takes a key only from a file: one that none else can read, for a moment."""
    with tempfile.TemporaryDirectory() as folder:
        pair = Path(folder) / "pair.pem"
        pair.touch(mode=0o600)
        pair.write_text(f"{certificate}\n{key}\n", encoding="ascii", errors="replace")
        context.load_cert_chain(pair)


@dataclass(frozen=True, slots=True)
class Received:
    """One message. retained: it was published before this link asked for it. again: the broker sends it anew."""

    topic: str
    payload: bytes
    retained: bool
    again: bool


class MqttLink:
    """A link that is kept up until it is stopped.

    persistent: the broker keeps the session and its QoS 1 messages while the link is down; needs a client_id that
    stays. topics: filters to subscribe to. on_message, on_change: called on paho's thread with each message, and
    whenever ``problem`` became another.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        client_id: str,
        persistent: bool,
        topics: Sequence[str] = (),
        on_message: Callable[[Received], None] | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        self._broker = broker
        self._topics = topics
        self._on_change = on_change
        self._problem: str | None = "not connected yet"
        self._up = threading.Event()
        self._stopping = False
        client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=not persistent)
        client.reconnect_delay_set(*RECONNECT_S)
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        if broker.encrypted:
            client.tls_set_context(broker.tls or ssl.create_default_context())
        client.on_connect = self._connected
        client.on_connect_fail = self._not_connected
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._subscribed
        if on_message is not None:
            client.on_message = lambda _client, _data, message: on_message(_received(message))
        self.client = client

    @property
    def problem(self) -> str | None:
        """Why nothing comes or goes; None while the link is up and its topics are granted."""
        return self._problem

    def start(self) -> None:
        """Returns at once; the link comes up when the broker answers."""
        self.client.connect_async(self._broker.host, self._broker.port, keepalive=KEEPALIVE_S)
        self.client.loop_start()

    def stop(self) -> None:
        """Blocks for at most some seconds. Idempotent."""
        self._stopping = True
        self.client.disconnect()
        self.client.loop_stop()

    def wait(self, timeout_s: float) -> bool:
        """Whether the link came up in time."""
        return self._up.wait(timeout_s)

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        """Hand a message to the link, which repeats it until the broker has it; False while there is no link."""
        if self._problem is not None:
            return False
        return self.client.publish(topic, payload, qos=QOS, retain=retain).rc is MQTTErrorCode.MQTT_ERR_SUCCESS

    def _connected(
        self, client: Client, _data: Any, _flags: ConnectFlags, code: ReasonCode, _p: Properties | None
    ) -> None:
        if code.is_failure:
            self._say(f"{self._broker.url} refused the connection: {code}")
        elif self._topics:
            client.subscribe([(topic, QOS) for topic in self._topics])
        else:
            self._say(None)

    def _subscribed(
        self, _client: Client, _data: Any, _mid: int, codes: list[ReasonCode], _p: Properties | None
    ) -> None:
        refused = [topic for topic, code in zip(self._topics, codes, strict=False) if code.is_failure]
        self._say(f"{self._broker.url} refused the subscription to {', '.join(refused)}" if refused else None)

    def _not_connected(self, _client: Client, _data: Any) -> None:
        self._say(f"{self._broker.url} cannot be reached")

    def _disconnected(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, code: ReasonCode, _p: Properties | None
    ) -> None:
        if self._problem is None and not self._stopping:
            self._say(f"{self._broker.url}: the connection was lost ({code})")

    def _say(self, problem: str | None) -> None:
        if problem == self._problem:
            return
        self._problem = problem
        if problem is None:
            self._up.set()
            LOGGER.info("%s: connected", self._broker.url)
        else:
            self._up.clear()
            LOGGER.warning("%s", problem)
        if self._on_change is not None:
            self._on_change()


def _received(message: MQTTMessage) -> Received:
    return Received(message.topic, bytes(message.payload), retained=message.retain, again=message.dup)
