"""What clients asked of the server: the record from which the least privilege of a client is read, and when it asked.

The newest are kept in memory. A file gets all of them, in the form of Kubernetes' own audit log (``audit.k8s.io/v1``,
level Metadata, stage ResponseComplete), so that one tool reads both.
"""

import uuid
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from sparkiot_sim.devcluster.rbac import Access

KEPT_REQUESTS = 20_000


@dataclass(frozen=True)
class RequestRecord:
    """One answered request on a resource: who, what, the HTTP code of the answer, and when it came."""

    user: str
    agent: str  # the User-Agent header
    access: Access
    code: int
    received: datetime


class RequestLog:
    """The newest `KEPT_REQUESTS` requests, in memory; may be read from any thread. `file`: gets all, is appended to."""

    def __init__(self, file: Path | None = None) -> None:
        """Raises OSError for a file that cannot be written."""
        self._kept: deque[RequestRecord] = deque(maxlen=KEPT_REQUESTS)
        self._file = file.open("ab") if file else None

    def add(self, record: RequestRecord) -> None:
        self._kept.append(record)
        if self._file:
            self._file.write(orjson.dumps(_event(record), option=orjson.OPT_APPEND_NEWLINE))
            self._file.flush()

    def of(self, user: str) -> list[RequestRecord]:
        """Those of one user, such as `system:serviceaccount:NAMESPACE:NAME`, oldest first."""
        return [record for record in self._kept.copy() if record.user == user]

    def close(self) -> None:
        if self._file:
            self._file.close()


def _event(record: RequestRecord) -> dict[str, Any]:
    access = record.access
    about = {
        "resource": access.resource,
        "subresource": access.subresource,
        "namespace": access.namespace,
        "name": access.name,
        "apiGroup": access.group,
    }
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": str(uuid.uuid4()),
        "stage": "ResponseComplete",
        "verb": access.verb,
        "user": {"username": record.user},
        "userAgent": record.agent,
        "objectRef": {key: value for key, value in about.items() if value},
        "responseStatus": {"code": record.code},
        "requestReceivedTimestamp": record.received.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
