"""The gateway's settings, from the environment (``SPARKIOT_EDGE_…``) or flags; a password never comes by a flag."""

import enum
from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from .broker_settings import BrokerSettings
from .groups import TopicGroup
from .predictors import DEFAULT, PREDICTORS, Timing


class Sink(enum.StrEnum):
    MQTT = "mqtt"
    KAFKA = "kafka"


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
        self.timing()
        return self

    def topic_groups(self) -> list[TopicGroup]:
        return [TopicGroup.parse(text) for text in self.groups]

    def timing(self) -> Timing:
        return Timing(interval_s=self.interval_seconds, horizon_s=self.horizon_seconds)
