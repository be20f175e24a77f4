"""Which releases of Spark count as the one that a job asks for. Pure."""

from __future__ import annotations

import re


def mismatch(found: str, wanted: str) -> str | None:
    """None when both are of the same minor release (a patch level may differ), else what to do about it."""
    if _minor(found) == _minor(wanted):
        return None
    return (
        f"the image has Spark {found}, but spec.application.sparkVersion says {wanted}: "
        "use an image with that release, or correct sparkVersion"
    )


def _minor(version: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[0-9]+", version)[:2])
