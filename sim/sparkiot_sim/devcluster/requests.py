"""What clients asked of the server, newest last: the record from which the least privilege of a client is read."""

from collections import deque
from dataclasses import dataclass

from sparkiot_sim.devcluster.rbac import Access

KEPT_REQUESTS = 20_000


@dataclass(frozen=True)
class RequestRecord:
    """One answered request on a resource: who, what, and the HTTP code of the answer."""

    user: str
    agent: str  # the User-Agent header
    access: Access
    code: int


class RequestLog:
    """The newest `KEPT_REQUESTS` requests, in memory; may be read from any thread."""

    def __init__(self) -> None:
        self._kept: deque[RequestRecord] = deque(maxlen=KEPT_REQUESTS)

    def add(self, record: RequestRecord) -> None:
        self._kept.append(record)

    def of(self, user: str) -> list[RequestRecord]:
        """Those of one user, such as `system:serviceaccount:NAMESPACE:NAME`, oldest first."""
        return [record for record in self._kept.copy() if record.user == user]
