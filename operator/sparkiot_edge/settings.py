"""The gateway's settings, from the environment (``SPARKIOT_EDGE_…``) or flags; a password never comes by a flag."""

import enum
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from .broker_settings import BrokerSettings
from .forwarding.sinks.s3 import parse_s3_url
from .groups import TopicGroup
from .predictors import DEFAULT, PREDICTORS, Timing


class Sink(enum.StrEnum):
    MQTT = "mqtt"
    KAFKA = "kafka"


class Forward(enum.StrEnum):
    NONE = "none"
    FOLDER = "folder"
    S3 = "s3"
    KAFKA = "kafka"


NEEDS = {Forward.FOLDER: "landing_folder", Forward.S3: "s3_url", Forward.KAFKA: "kafka_servers"}


class EdgeSettings(BrokerSettings):
    """Frozen. Lists are JSON in the environment (``SPARKIOT_EDGE_GROUPS='["city=city/+/data"]'``)."""

    model_config = SettingsConfigDict(
        env_prefix="SPARKIOT_EDGE_", frozen=True, extra="forbid", hide_input_in_errors=True
    )

    groups: list[str] = Field(min_length=1, description="NAME=FILTER[,FILTER…]: topics whose load is one load.")
    source: str = Field(
        "gateway", pattern=r"^[A-Za-z0-9][\w.-]{0,30}$", description="Name of this gateway in its signals and sessions."
    )
    horizon_seconds: float = Field(
        60.0, gt=0, le=3600, description="Seconds that predictions look ahead: how long an executor takes to start."
    )
    interval_seconds: float = Field(
        1.0, ge=0.1, description="Seconds between two measurements; an alarm is late by up to one of them."
    )
    publish_seconds: float = Field(
        10.0,
        gt=0,
        description="Seconds between two signals while nothing changes; well below a job's staleAfter (30 s).",
    )
    predictor: str = Field(DEFAULT, description="Which predictor: sparkiot edge-evaluate compares them.")
    sink: Sink = Field(Sink.MQTT, description="Where signals go: mqtt (the same broker) or kafka.")
    signal_topic: str = Field("iot/metadata", description="MQTT topic below which each group has its own.")
    kafka_servers: str | None = Field(None, description="Kafka brokers, host:port, separated by commas.")
    kafka_topic: str = Field("iot-metadata", description="Kafka topic of the signals; a group's name is the key.")
    kafka_options_file: Path | None = Field(
        None,
        description="File of librdkafka properties for all that goes to Kafka, signals and messages, NAME=VALUE a "
        "line: TLS, SASL, ....",
    )
    forward: Forward = Field(
        Forward.NONE, description="Where the messages themselves go: none, folder, s3 or kafka. None by default."
    )
    landing_folder: Path | None = Field(None, description="Folder that messages land in, for Spark to read.")
    s3_url: str | None = Field(
        None, description="s3://BUCKET/PREFIX that messages land in; endpoint and credentials are boto3's, AWS_...."
    )
    data_topic: str = Field("iot-data", description="Kafka topic of the messages; device or MQTT topic is the key.")
    forward_seconds: float | None = Field(
        None,
        gt=0,
        le=3600,
        description="Seconds of messages in one file while the sink keeps up; 1 if absent, 0.1 with Kafka.",
    )
    spill_folder: Path | None = Field(
        None,
        description="Folder where messages are kept until the sink has them; it must outlive the gateway. If absent: "
        "in the landing folder.",
    )
    spill_mebibytes: float = Field(
        1024.0, ge=2, description="MiB that may wait there; then nothing is acknowledged until there is room."
    )
    message_kibibytes: float = Field(
        256.0,
        gt=0,
        le=900,
        description="KiB of the largest message, as the line of JSON that it becomes; larger ones are dropped and "
        "counted. Kafka takes up to 1 MB by default.",
    )
    id_field: str = Field("id", min_length=1, description="Field of a JSON payload that is the message's own id.")
    device_field: str = Field("device", min_length=1, description="Field of a JSON payload that names its device.")
    health_host: str = Field(
        "127.0.0.1",
        description="Address of /healthz, /readyz and /metrics. Loopback unless stated; 0.0.0.0 inside a pod.",
    )
    health_port: int | None = Field(
        None, ge=0, le=65535, description="TCP port of the same; 0 takes a free one and logs it. Absent: no endpoint."
    )

    @field_validator("predictor")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in PREDICTORS:
            raise ValueError(f"it must be one of {', '.join(PREDICTORS)}")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        names = [group.name for group in self.topic_groups()]
        if len(set(names)) != len(names):
            raise ValueError("two groups have the same name")
        if self.sink is Sink.KAFKA and not self.kafka_servers:
            raise ValueError("sink kafka needs kafka servers")
        self._check_forwarding()
        self.timing()
        return self

    def _check_forwarding(self) -> None:
        needed = NEEDS.get(self.forward)
        if needed and not getattr(self, needed):
            raise ValueError(f"forward {self.forward} needs {needed.replace('_', ' ')}")
        if self.forward in (Forward.S3, Forward.KAFKA) and self.spill_folder is None:
            raise ValueError(f"forward {self.forward} needs a spill folder: one that outlives the gateway")
        if self.s3_url is not None:
            parse_s3_url(self.s3_url)

    def topic_groups(self) -> list[TopicGroup]:
        return [TopicGroup.parse(text) for text in self.groups]

    def timing(self) -> Timing:
        return Timing(interval_s=self.interval_seconds, horizon_s=self.horizon_seconds)
