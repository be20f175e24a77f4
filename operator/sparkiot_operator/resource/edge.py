"""``spec.edge`` of a SparkIoTJob: where burst signals come from."""

import enum

from pydantic import Field

from .base import Duration, Model, Name, rules, section


class SecretName(Model):
    name: Name = Field(description="Name of a secret in the job's namespace.")


class SecretRefSource(Model):
    secret_ref: SecretName = Field(description="Secret whose keys hold the values.")


class MqttSource(Model):
    url: str = Field(max_length=512, pattern="^mqtts?://", description="URL of the broker, without credentials.")
    topic: str = Field(max_length=512, min_length=1, description="Topic of the signals.")
    credentials_from: SecretRefSource | None = Field(
        None,
        description="Secret with any of the keys username, password, ca.crt, tls.crt and tls.key; none when absent.",
    )


class SaslMechanism(enum.StrEnum):
    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


class KafkaSource(Model):
    bootstrap: str = Field(
        max_length=1024,
        pattern=r"^[\w.\[\]:-]+:[0-9]{1,5}(,[\w.\[\]:-]+:[0-9]{1,5})*$",
        description="Brokers to begin with, host:port, separated by commas.",
    )
    topic: str = Field(
        "iot-metadata", max_length=249, pattern=r"^[\w.-]+$", description="Topic of the signals, of any gateway."
    )
    key: str | None = Field(
        None, max_length=64, description="Key of the signals that are this job's: the gateway's group. Any when absent."
    )
    tls: bool = Field(False, description="Whether the brokers are spoken to by TLS.")
    sasl_mechanism: SaslMechanism = Field(
        SaslMechanism.PLAIN, description="How user and password are shown, where the secret has them."
    )
    credentials_from: SecretRefSource | None = Field(
        None,
        description="Secret with any of the keys username, password, ca.crt, tls.crt and tls.key; none when absent.",
    )


class SignalSource(Model):
    model_config = rules(("!(has(self.mqtt) && has(self.kafka))", "state mqtt or kafka, not both", ""))
    mqtt: MqttSource | None = Field(None, description="MQTT control topic.")
    kafka: KafkaSource | None = Field(None, description="Kafka control topic.")
    stale_after: Duration = Field("30s", description="Age at which a signal is ignored.")
    max_rate: float = Field(
        1e7, ge=1, le=1e9, description="Predicted messages a second beyond which a signal is not believed."
    )


class Edge(Model):
    signal: SignalSource = section(SignalSource, "Where burst signals come from.")
