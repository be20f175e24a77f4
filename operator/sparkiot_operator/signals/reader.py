"""What brings a job's signals: one protocol, one reader a transport. Which are believed is not theirs to say."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from sparkiot_edge.mqtt import MqttLink, Received
from sparkiot_operator.resource.edge import KafkaSource, MqttSource

from .access import kafka_options, open_broker
from .kafka import KafkaReader

OnSignal = Callable[[bytes, bool], None]
"""Takes a payload, and whether it came straight from the gateway; called on a thread of the reader's."""


class SignalReader(Protocol):
    """Reads from ``start`` to ``stop``, through every loss of its broker. problem: why nothing comes; None while it
    does. ``stop`` blocks for at most some seconds and is idempotent."""

    @property
    def problem(self) -> str | None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


def open_reader(
    source: MqttSource | KafkaSource,
    secret: Mapping[str, Any] | None,
    on_signal: OnSignal,
    *,
    client_id: str,
    lookback_s: float,
) -> SignalReader:
    """A reader that is not started yet.

    secret: the Secret that the source refers to, as the API has it. client_id: of this reader alone. lookback_s: age of
    the oldest signals that are of use. Raises BrokerError.
    """
    if isinstance(source, KafkaSource):
        options = {**kafka_options(source, secret), "client.id": client_id}
        return KafkaReader(source.topic, options, on_signal, key=source.key, lookback_s=lookback_s)

    def take(received: Received) -> None:
        on_signal(received.payload, not (received.retained or received.again))

    # What a broker kept while nobody listened is too old to be of use: no session.
    broker = open_broker(source, secret)
    return MqttLink(broker, client_id=client_id, persistent=False, topics=[source.topic], on_message=take)
