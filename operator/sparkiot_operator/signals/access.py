"""From a job's spec and its secret to a broker. Nothing of the secret reaches a message."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from sparkiot_edge.mqtt import Broker, BrokerError, tls_context
from sparkiot_operator.resource.edge import MqttSource


def open_broker(source: MqttSource, secret: Mapping[str, Any] | None) -> Broker:
    """secret: the Secret that the source refers to, as the API has it. Raises BrokerError."""
    values = _values(secret or {})
    authority, certificate, key = (values.get(name) for name in ("ca.crt", "tls.crt", "tls.key"))
    tls = None
    if authority or certificate or key:
        tls = tls_context(authority=authority, certificate=certificate, key=key)
    return Broker(url=source.url, username=values.get("username"), password=values.get("password"), tls=tls)


def _values(secret: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for key, encoded in (secret.get("data") or {}).items():
        try:
            found[key] = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise BrokerError(f"key {key} of the secret is not text") from None
    return found
