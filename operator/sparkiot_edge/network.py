"""A thread that keeps one MQTT client connected, and reads what came in one go before anybody deals with it.

paho has a thread of its own, which wakes up for every message. Here many are read between two looks at the socket, so
that whoever must make them safe before they are acknowledged does so once for all of them, on the thread that reads:
an acknowledgement cannot meet another connection than its message did, and what is not read waits at the broker.
"""

import contextlib
import os
import select
import ssl
import threading
import time
from collections.abc import Callable
from io import FileIO
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

RECONNECT_S = (1.0, 30.0)
"""Shortest and longest wait before another attempt; it doubles. A broker that restarted is found within the latter."""
BATCH = 1000
"""Messages that are read before they are dealt with: few enough that the first of them does not wait for long."""
IDLE_S = 1.0
TICK_S = 0.05
"""Longest time between two calls of ``settle``, when there is one."""
FAREWELL_S = 2.0
DRAIN = 1 << 16
"""As much as a pipe holds."""


class NetworkThread:
    """Connects after ``connect_async``, again and again until ``stop``.

    received: how many messages the client gave to its callback so far. settle: called on the thread after each batch,
    and at least every TICK_S while connected, every IDLE_S while not. unreachable: called on it when an attempt to
    connect failed.
    """

    def __init__(
        self,
        client: Client,
        *,
        received: Callable[[], int],
        settle: Callable[[], None] | None,
        unreachable: Callable[[], None],
    ) -> None:
        self._client = client
        self._received, self._settle, self._unreachable = received, settle, unreachable
        self._stopping = threading.Event()
        self._renewing = False
        # A pipe, and not an eventfd, which Linux alone has. What does not fit need not be written.
        woken, waker = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(waker, False)
        self._woken, self._waker = FileIO(woken, "rb"), FileIO(waker, "wb")
        # With this callback set paho only queues what other threads send, and this thread alone writes to the socket.
        client.on_socket_register_write = self._wake
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Say farewell to the broker; blocks for some seconds at most. Idempotent."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._client.disconnect()
        self._wake()
        if self._thread.ident is not None:
            self._thread.join(2 * FAREWELL_S)
        if not self._thread.is_alive():
            self._woken.close()
            self._waker.close()

    def renew(self) -> None:
        """Drop the connection and make another: the broker sends anew what was not acknowledged. On the thread only."""
        self._renewing = True

    def _wake(self, *_told: Any) -> None:
        with contextlib.suppress(ValueError):  # closed: nobody is left to wake
            self._waker.write(b"\0")

    def _run(self) -> None:
        shortest, longest = RECONNECT_S
        wait = shortest
        while not self._stopping.is_set():
            self._renewing = False
            try:
                self._client.reconnect()
            except OSError:
                self._unreachable()
            else:
                if not self._stopping.is_set() and self._serve():
                    wait = shortest
            if not self._renewing:
                self._pause(wait)
                wait = min(2 * wait, longest)

    def _pause(self, wait: float) -> None:
        """Before another attempt. What came before the connection was lost does not wait for the next one."""
        until = time.monotonic() + wait
        while not self._stopping.is_set() and (left := until - time.monotonic()) > 0:
            if self._settle is not None:
                self._settle()
            self._stopping.wait(min(left, IDLE_S))

    def _serve(self) -> bool:
        """Until the connection ends; returns whether the broker had accepted it."""
        accepted = False
        until: float | None = None
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        tick = TICK_S if self._settle else IDLE_S
        while (socket := self._client.socket()) is not None and not self._renewing:
            if self._stopping.is_set():
                until = until or time.monotonic() + FAREWELL_S
                if time.monotonic() > until:
                    break
            poll.register(socket, select.POLLIN | (select.POLLOUT if self._client.want_write() else 0))
            decrypted = isinstance(socket, ssl.SSLSocket) and socket.pending() > 0
            poll.poll(0 if decrypted else tick * 1000)
            self._woken.read(DRAIN)
            self._read()
            accepted = accepted or self._client.is_connected()
            if self._settle is not None:
                self._settle()
            if self._client.want_write():
                self._client.loop_write()
            self._client.loop_misc()
        return accepted

    def _read(self) -> None:
        for _ in range(BATCH):
            before = self._received()
            if self._client.loop_read() is not MQTTErrorCode.MQTT_ERR_SUCCESS or self._received() == before:
                return
