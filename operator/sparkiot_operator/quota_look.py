"""What the quotas of a job's namespace leave, looked at now and then."""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from sparkiot_policies.allocation import Allocation

from .errors import ApiError, ApiRefusedError
from .resource.spec import SparkIoTJobSpec
from .spark.quota import asked, room

LOGGER = logging.getLogger(__name__)
EVERY_S = 10.0
"""Between two looks: a room that is too large for that long makes Spark ask in vain, which harms nobody."""
Json = Mapping[str, Any]


class _Reads(Protocol):
    async def read(self, path: str) -> dict[str, Any]: ...


class QuotaLook:
    """Of one live job. Where its quotas may not be read, none bounds it here: the API server refuses executors then."""

    def __init__(self, objects: _Reads, spec: SparkIoTJobSpec, namespace: str) -> None:
        self._objects = objects
        self._application = spec.application
        self._path = f"/api/v1/namespaces/{namespace}/resourcequotas"
        self._quotas: Sequence[Json] = ()
        self._looked = -math.inf
        self._allowed = True

    async def refresh(self, now: float) -> None:
        """Look again where that is due. now: epoch seconds. A look that fails leaves what was known."""
        if 0 <= now - self._looked < EVERY_S:
            return
        try:
            self._quotas = (await self._objects.read(self._path)).get("items") or ()
            self._allowed = True
        except ApiRefusedError as error:
            self._quotas = ()
            LOGGER.log(logging.WARNING if self._allowed else logging.DEBUG, "quotas cannot be read: %s", error)
            self._allowed = False
        except ApiError as error:
            LOGGER.debug("quotas were not read: %s", error)
            return
        self._looked = now

    def room(self, executors: Sequence[Json], allocation: Allocation) -> int | None:
        """Executors that the quotas have room for, those that are there included; None where none bounds them."""
        if not self._quotas or self._application is None:
            return None
        return room(self._quotas, executors, ask=asked(executors, self._application, allocation))
