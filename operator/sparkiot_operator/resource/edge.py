"""``spec.edge`` of a SparkIoTJob: where burst signals come from."""

from pydantic import Field

from .base import Duration, Model, Name, section


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


class SignalSource(Model):
    mqtt: MqttSource | None = Field(None, description="MQTT control topic.")
    stale_after: Duration = Field("30s", description="Age at which a signal is ignored.")
    max_rate: float = Field(
        1e7, ge=1, le=1e9, description="Predicted messages a second beyond which a signal is not believed."
    )


class Edge(Model):
    signal: SignalSource = section(SignalSource, "Where burst signals come from.")
