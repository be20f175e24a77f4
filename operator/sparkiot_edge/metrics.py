"""The gateway's Prometheus metrics, read from its parts when somebody asks: a message costs nothing more.

Labels are groups of the settings and reasons of this code: none can grow without bound.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .forwarding.forwarder import Forwarder
from .forwarding.intake import Drop

if TYPE_CHECKING:
    from .gateway import Gateway

PREFIX = "sparkiot_edge"


class GatewayMetrics(Collector):
    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway

    def collect(self) -> Iterator[Metric]:
        gateway = self._gateway
        counted = _counter("messages_received", "Messages that came, by group; one may belong to several.", "group")
        for group, count in gateway.messages.items():
            counted.add_metric([group], count)
        yield counted
        signals = _counter("signals", "Signals that were made, by what became of them.", "outcome")
        signals.add_metric(["sent"], gateway.counts.sent)
        signals.add_metric(["unsent"], gateway.counts.unsent)
        yield signals
        yield _gauge("broker_up", "1 while the devices' broker is connected and subscribed.", not gateway.link.problem)
        yield _count("broker_connections", "Connections that the devices' broker accepted.", gateway.link.connections)
        if gateway.forwarder is not None:
            yield from _forwarding(gateway.forwarder)


def _forwarding(forwarder: Forwarder) -> Iterator[Metric]:
    intake, spool, delivery = forwarder.intake, forwarder.spool, forwarder.delivery
    yield _count("messages_kept", "Messages that were synced to disk and acknowledged.", intake.kept)
    yield _count("messages_forwarded", "Messages that are safe in the sink.", delivery.delivered)
    yield _count("messages_refused", "Messages that were not acknowledged, and are sent again.", intake.refused)
    dropped = _counter("messages_dropped", "Messages that are not forwarded, by reason.", "reason")
    for reason in Drop:
        dropped.add_metric([reason.value], intake.dropped[reason])
    yield dropped
    yield _gauge("messages_in_flight", "Messages in memory that are not synced yet.", intake.in_flight)
    yield _gauge("spill_messages", "Messages on disk that are not in the sink.", spool.messages)
    yield _gauge("spill_bytes", "Bytes of them.", spool.size)
    yield _gauge("spill_limit_bytes", "Bytes at which nothing is acknowledged any more.", spool.max_bytes)
    yield _gauge("accepting", "0 while nothing is acknowledged, as nothing can be kept.", intake.problem is None)
    yield _gauge("sink_up", "0 while the sink does not take what it is given.", delivery.problem is None)
    yield _count("sink_files", "Files that the sink took.", delivery.segments)
    yield _count("sink_failures", "Attempts that the sink failed.", delivery.failures)
    yield _count("sink_busy_seconds", "Seconds that the sink took for what it took.", delivery.busy_s)


def registry_of(gateway: "Gateway") -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(GatewayMetrics(gateway))
    return registry


def _counter(name: str, text: str, label: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"{PREFIX}_{name}", text, labels=[label])


def _count(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"{PREFIX}_{name}", text, value=value)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", text, value=float(value))
