"""Every line of the audit logs can be read: only the last one of a file may be cut off, by a kill."""

from chaos.client import View
from chaos.world import World
from sparkiot_operator.audit import AuditError, audit_files, decode_line


class AuditWhole:
    """Each file is read on from where it was read before."""

    name = "audit logs are whole"

    def __init__(self) -> None:
        self._read: dict[int, int] = {}
        self.decisions = 0

    def violations(self, world: World, view: View) -> list[str]:
        found = []
        for replica in world.operators.replicas:
            for path in audit_files(replica.audit) if replica.audit.exists() else ():
                with path.open("rb") as file:
                    inode = path.stat().st_ino  # rotation renames it
                    file.seek(self._read.get(inode, 0))
                    for line in file:
                        if not line.endswith(b"\n"):
                            break
                        self._read[inode] = self._read.get(inode, 0) + len(line)
                        try:
                            decode_line(line)
                        except (ValueError, TypeError, KeyError, AuditError) as error:
                            found.append(f"{path.name} of {replica.name}: {error!r}: {line[:60]!r} … {line[-60:]!r}")
                        self.decisions += 1
        return found
