"""The way of the messages, put together: intake, spool, delivery and the sink that the settings name."""

import logging
from collections.abc import Callable
from pathlib import Path

from sparkiot_edge.kafka_options import read_properties
from sparkiot_edge.mqtt import MqttLink
from sparkiot_edge.settings import EdgeSettings, Forward

from .delivery import RETRY_S, Delivery
from .intake import Intake
from .message import LineWriter
from .sinks.base import Sink
from .sinks.kafka import KafkaTopic
from .sinks.landing import LandingFolder
from .sinks.s3 import S3Prefix
from .spool import MEBIBYTE, Spool

LOGGER = logging.getLogger(__name__)
KIBIBYTE = 1 << 10
GRACE_S = 5.0


class Forwarder:
    """``intake.take`` and ``intake.settle`` are for the link. Raises SpoolError, OptionsError, and ModuleNotFoundError
    for a sink whose library is not installed."""

    def __init__(
        self, settings: EdgeSettings, link: MqttLink, *, wall: Callable[[], float], steady: Callable[[], float]
    ) -> None:
        sink = open_sink(settings)
        self.spool = Spool(
            spill_folder(settings),
            source=settings.source,
            max_bytes=int(settings.spill_mebibytes * MEBIBYTE),
            roll_s=sink.ROLL_S if settings.forward_seconds is None else settings.forward_seconds,
        )
        self.intake = Intake(
            self.spool,
            writer=LineWriter(source=settings.source, id_field=settings.id_field, device_field=settings.device_field),
            max_line=int(settings.message_kibibytes * KIBIBYTE),
            acknowledge=link.acknowledge,
            renew=link.renew,
            wall=wall,
            steady=steady,
        )
        self.delivery = Delivery(self.spool, sink, steady=steady, retry_s=RETRY_S)

    def start(self) -> None:
        if self.spool.messages:
            LOGGER.info("%d messages from before wait for the sink", self.spool.messages)
        self.delivery.start()

    def stop(self) -> None:
        """After the link has ended."""
        self.spool.close()
        self.delivery.stop(GRACE_S)
        self.spool.release()
        if self.spool.messages:
            LOGGER.warning("%d messages wait on disk for the next start", self.spool.messages)


def open_sink(settings: EdgeSettings) -> Sink:
    match settings.forward:
        case Forward.FOLDER if settings.landing_folder is not None:
            return LandingFolder(settings.landing_folder)
        case Forward.S3 if settings.s3_url is not None:
            return S3Prefix(settings.s3_url)
        case Forward.KAFKA if settings.kafka_servers is not None:
            options = read_properties(settings.kafka_options_file)
            return KafkaTopic(settings.kafka_servers, topic=settings.data_topic, options=options)
    raise AssertionError("the settings' validator lets nothing else through")


def spill_folder(settings: EdgeSettings) -> Path:
    """Beside what lands, so that files are moved and not copied, unless it is stated."""
    # Without a landing folder the validator asks for a spill folder.
    return settings.spill_folder or (settings.landing_folder or Path()) / f".spill-{settings.source}"
