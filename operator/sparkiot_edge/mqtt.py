"""One connection to an MQTT broker: how to get in, and a link that comes back by itself.

Both ends of the control plane use it, the gateway and the operator. Callbacks come on the link's thread (network.py).
"""

import logging
import ssl
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from .network import NetworkThread

LOGGER = logging.getLogger(__name__)
PORTS = {"mqtt": 1883, "mqtts": 8883}
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


class Received(NamedTuple):
    """One message. topic: empty where it is no UTF-8. packet: its identifier, 0 with QoS 0. retained: it was published
    before this link asked for it. again: the broker sends it anew."""

    topic: str
    payload: bytes
    packet: int
    retained: bool
    again: bool


class MqttLink:
    """A link that is kept up until it is stopped.

    persistent: the broker keeps the session and its QoS 1 messages while the link is down; needs a client_id that
    stays. topics: filters to subscribe to. on_message, on_change: called on the link's thread with each message, and
    whenever ``problem`` became another. settle: called on it when a batch of messages was read; nothing is acknowledged
    then but by ``acknowledge``.
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
        settle: Callable[[], None] | None = None,
    ) -> None:
        self._broker = broker
        self._topics = topics
        self._on_change = on_change
        self._problem: str | None = "not connected yet"
        self._up = threading.Event()
        self._stopping = False
        self._on_message = on_message
        self._received = 0
        self._granted = False
        self.connections = 0
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=not persistent,
            manual_ack=settle is not None,
        )
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        if broker.encrypted:
            client.tls_set_context(broker.tls or ssl.create_default_context())
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._subscribed
        client.on_message = self._take
        self.client = client
        self._network = NetworkThread(
            client, received=lambda: self._received, settle=settle, unreachable=self._not_connected
        )

    @property
    def problem(self) -> str | None:
        """Why nothing comes or goes; None while the link is up and its topics are granted."""
        return self._problem

    def start(self) -> None:
        """Returns at once; the link comes up when the broker answers."""
        self.client.connect_async(self._broker.host, self._broker.port, keepalive=KEEPALIVE_S)
        self._network.start()

    def stop(self) -> None:
        """Blocks for at most some seconds. Idempotent."""
        self._stopping = True
        self._network.stop()

    @property
    def alive(self) -> bool:
        """Whether the link's thread runs; between start and stop it always should."""
        return self._network.alive

    def wait(self, timeout_s: float) -> bool:
        """Whether the link came up in time."""
        return self._up.wait(timeout_s)

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        """Hand a message to the link, which repeats it until the broker has it; False while there is no link."""
        if self._problem is not None:
            return False
        return self.client.publish(topic, payload, qos=QOS, retain=retain).rc is MQTTErrorCode.MQTT_ERR_SUCCESS

    def acknowledge(self, packet: int) -> None:
        """The message with this identifier needs not be sent again. Within ``on_message`` and ``settle`` only: the
        identifier means nothing on another connection."""
        self.client.ack(packet, QOS)

    def renew(self) -> None:
        """Have what was not acknowledged sent anew, on a new connection. Within ``settle`` only."""
        self._network.renew()

    def _take(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self._received += 1
        if self._on_message is not None:
            self._on_message(_received(message))

    def _connected(
        self, client: Client, _data: Any, flags: ConnectFlags, code: ReasonCode, _p: Properties | None
    ) -> None:
        if code.is_failure:
            self._say(f"{self._broker.url} refused the connection: {code}")
            return
        self.connections += 1
        if self._topics and not (self._granted and flags.session_present):
            client.subscribe([(topic, QOS) for topic in self._topics])
        else:
            self._say(None)

    def _subscribed(
        self, _client: Client, _data: Any, _mid: int, codes: list[ReasonCode], _p: Properties | None
    ) -> None:
        refused = [topic for topic, code in zip(self._topics, codes, strict=False) if code.is_failure]
        self._granted = not refused
        self._say(f"{self._broker.url} refused the subscription to {', '.join(refused)}" if refused else None)

    def _not_connected(self) -> None:
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
    try:
        topic = message.topic
    except UnicodeDecodeError:
        topic = ""
    return Received(topic, bytes(message.payload), message.mid, message.retain, message.dup)
