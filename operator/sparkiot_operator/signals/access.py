"""From a job's spec and its secret to a broker, MQTT or Kafka. Nothing of the secret reaches a message."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from sparkiot_edge.mqtt import Broker, BrokerError, tls_context
from sparkiot_operator.resource.edge import KafkaSource, MqttSource


def open_broker(source: MqttSource, secret: Mapping[str, Any] | None) -> Broker:
    """secret: the Secret that the source refers to, as the API has it. Raises BrokerError."""
    values = _values(secret or {})
    authority, certificate, key = (values.get(name) for name in ("ca.crt", "tls.crt", "tls.key"))
    tls = None
    if authority or certificate or key:
        tls = tls_context(authority=authority, certificate=certificate, key=key)
    return Broker(url=source.url, username=values.get("username"), password=values.get("password"), tls=tls)


def kafka_options(source: KafkaSource, secret: Mapping[str, Any] | None) -> dict[str, str]:
    """As librdkafka calls them. secret: the Secret that the source refers to, as the API has it. Raises BrokerError."""
    values = _values(secret or {})
    authority, certificate, key = (values.get(name) for name in ("ca.crt", "tls.crt", "tls.key"))
    username, password = values.get("username"), values.get("password")
    if (username is None) != (password is None):
        raise BrokerError("user name and password belong together: one of them is missing in the secret")
    if (authority or certificate or key) and not source.tls:
        raise BrokerError("the secret has certificates, which need tls: true")
    protocol = ("SASL_" if username else "") + ("SSL" if source.tls else "PLAINTEXT")
    options = {"bootstrap.servers": source.bootstrap, "security.protocol": protocol}
    if username and password:
        options |= {"sasl.mechanism": source.sasl_mechanism, "sasl.username": username, "sasl.password": password}
    if source.tls:
        tls_context(authority=authority, certificate=certificate, key=key)  # for its errors, which say more
        pems = {"ssl.ca.pem": authority, "ssl.certificate.pem": certificate, "ssl.key.pem": key}
        options |= {name: pem for name, pem in pems.items() if pem is not None}
    return options


def _values(secret: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for key, encoded in (secret.get("data") or {}).items():
        try:
            found[key] = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise BrokerError(f"key {key} of the secret is not text") from None
    return found
