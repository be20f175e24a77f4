"""What this process uses."""

from __future__ import annotations

import os
from pathlib import Path


def resident_bytes() -> int | None:
    """Resident memory of this process; None where /proc does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
