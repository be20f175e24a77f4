"""amqtt, kept to the standard: ``python support_amqtt.py -c CONFIG`` runs it where tests lose connections.

As it comes it forgets what a client has not acknowledged as soon as the client is gone or five seconds old, where MQTT
has it sent again ([MQTT-4.4.0-1]); and it takes a client without a certificate even when it checks certificates.
"""

import os
import ssl
from typing import Any

from amqtt import broker
from amqtt.mqtt.protocol import handler
from amqtt.scripts.broker_script import main
from amqtt.session import OUTGOING

_deliver = handler.ProtocolHandler._handle_qos1_message_flow
_context = broker.Broker._create_ssl_context


async def _deliver_or_keep(self: Any, message: Any) -> None:
    session = self.session
    try:
        await _deliver(self, message)
    finally:
        if message.direction == OUTGOING and message.puback_packet is None:
            session.inflight_out[message.packet_id] = message


def _strict_context(listener: Any) -> ssl.SSLContext:
    context = _context(listener)
    if os.environ.get("CLIENT_CERTIFICATES"):
        context.verify_mode = ssl.CERT_REQUIRED
    return context


handler.ProtocolHandler._handle_qos1_message_flow = _deliver_or_keep
broker.Broker._create_ssl_context = staticmethod(_strict_context)

if __name__ == "__main__":
    main()
