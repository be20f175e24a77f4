"""Has the job's shuffle tiers checked as the driver begins, and again while one of them fails, until all work.

What fails later, while batches use the tiers, they tell themselves.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable

log = logging.getLogger("sparkiot_driver")

AGAIN_SECONDS = 60.0
PATIENCE_SECONDS = 300.0
"""Four tiers, each with its time-outs and retries."""


def watch(job_file: Path, tell: Callable[[list[dict[str, Any]]], None]) -> None:
    """Check in a thread of its own. tell: called after each round with one dict a tier, as an observation has it."""
    threading.Thread(target=_watch, args=(job_file, tell), name="sparkiot-tiers", daemon=True).start()


def _watch(
    job_file: Path, tell: Callable[[list[dict[str, Any]]], None], pause: Callable[[float], None] = time.sleep
) -> None:
    while True:
        found = _round(job_file)
        tell(found)
        for tier in found:
            if tier["reason"]:
                log.warning("shuffle tier %s: %s: %s", tier["tier"], tier["reason"], tier["message"])
        if found and not any(tier["reason"] for tier in found):
            return
        pause(AGAIN_SECONDS)


def _round(job_file: Path) -> list[dict[str, Any]]:
    """What one check found; nothing when it could not be made."""
    command = [sys.executable, "-m", "sparkiot_driver.tier_check", str(job_file)]
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            command, stdout=subprocess.PIPE, check=True, timeout=PATIENCE_SECONDS
        )
        found: list[dict[str, Any]] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        log.warning("the shuffle tiers were not checked: %s", error)
        return []
    return [{**tier, "time": time.time()} for tier in found]
