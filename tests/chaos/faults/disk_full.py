"""No room for the audit log: the kernel refuses to let files of the operators grow.

A full file system needs root to be made. A limit on the size of files does not, and a write meets the same two things:
the one that reaches the limit is cut short, and those after it fail (with EFBIG where a full disk gives ENOSPC).
"""

from chaos.client import View
from chaos.faults.base import Fault
from chaos.schedule import Kind
from sparkiot_operator.audit import FILE_NAME

ROOM_BYTES = 1000
"""A decision takes about 6 KiB: the first one is cut off in its middle."""


class DiskFull(Fault):
    """Jobs must not notice; what is missing in the log is counted, and its lines stay whole."""

    kind = Kind("disk-full", frozenset({"disk"}), 4.0, 8.0)
    about = "the audit log's disk is full"

    def inject(self) -> None:
        for replica in self.world.operators.replicas:
            replica.limit_files(self._sizes().get(replica.name, 0) + ROOM_BYTES)

    def heal(self) -> None:
        for replica in self.world.operators.replicas:
            replica.limit_files(None)

    def mark(self, view: View | None) -> None:
        super().mark(view)
        self._before = self._sizes()

    def recovered(self, view: View) -> bool:
        return super().recovered(view) and self._sizes() != self._before

    def _sizes(self) -> dict[str, int]:
        files = {replica.name: replica.audit / FILE_NAME for replica in self.world.operators.replicas}
        return {name: file.stat().st_size for name, file in files.items() if file.exists()}
