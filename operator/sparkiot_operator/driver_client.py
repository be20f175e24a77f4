"""Placeholder, replaced by the real client."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any


class DriverClient:
    def __init__(self, http: Any) -> None:
        self.http = http


@contextlib.asynccontextmanager
async def open_driver_http(timeout_s: float) -> AsyncIterator[Any]:
    yield None
