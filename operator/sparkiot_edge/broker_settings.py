"""How to get into an MQTT broker, as settings: the gateway and the simulated devices have the same."""

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings

from .mqtt import Broker, BrokerError, tls_context

NO_FLAGS = ("password",)
"""Settings that are no flag: a command line is read by everybody on the machine."""


class BrokerSettings(BaseSettings):
    """A base of settings; whoever derives from it states the prefix of the environment variables."""

    broker: str = Field("mqtt://127.0.0.1:1883", description="The devices' broker: mqtt://host:port or mqtts://….")
    username: str | None = Field(None, description="User at the broker.")
    password: SecretStr | None = Field(None, description="Its password; never a flag.")
    password_file: Path | None = Field(None, description="File that holds the password, as a mounted secret.")
    ca_file: Path | None = Field(
        None, description="PEM of who signed the broker's certificate; the system's if absent."
    )
    cert_file: Path | None = Field(None, description="PEM of the client's certificate.")
    key_file: Path | None = Field(None, description="PEM of its key.")

    @model_validator(mode="after")
    def _has_one_password(self) -> Self:
        if self.password is not None and self.password_file is not None:
            raise ValueError("state either a password or a password file")
        return self

    def open_broker(self) -> Broker:
        """The broker with its credentials, read from their files. Raises BrokerError."""
        secret = self.password.get_secret_value() if self.password else _read(self.password_file)
        files = (self.ca_file, self.cert_file, self.key_file)
        tls = None
        if any(files):
            authority, certificate, key = (_read(path) for path in files)
            tls = tls_context(authority=authority, certificate=certificate, key=key)
        return Broker(url=self.broker, username=self.username, password=secret and secret.rstrip("\r\n"), tls=tls)


def _read(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise BrokerError(f"{path} cannot be read: {reason}") from None
