"""Which tiers the shuffle of this job has, and what is wanted of it where no operator says so.

Under the operator the file ``job.json`` says it. In a plain PySpark program the environment variable
``SPARKIOT_SHUFFLE`` holds a JSON document or the path of one::

    {"job": "plant-7", "tier": "Warm", "compression": "LZ4", "tiers": [{"tier": "Warm", "path": "/mnt/nvme"}]}

``tiers`` is what ``sparkiot_tiers.config`` describes. ``job`` names the program over its restarts, so that the blocks
which a killed run of it left behind are found; two programs that run at the same time must not share it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Mapping, NamedTuple

from sparkiot_driver.shuffle.link import Wanted
from sparkiot_tiers.store import TIERS

VARIABLE = "SPARKIOT_SHUFFLE"
COMPRESSIONS = ("None", "LZ4", "ZSTD")
_PART = re.compile(r"[^A-Za-z0-9_=.-]")


class ShuffleNotConfigured(Exception):  # noqa: N818 - it is a state rather than an error
    """The job has no tiers; the message says how to give it some."""


class Settings(NamedTuple):
    """job: first parts of all its keys, None where the program has no name. wanted: where no allocation says it."""

    tiers: dict[str, Any]
    job: str | None
    wanted: Wanted


def load(environ: Mapping[str, str]) -> Settings:
    """Raises ShuffleNotConfigured, ValueError for a document that is malformed, OSError for one that is not there."""
    stated = environ.get(VARIABLE)
    if stated:
        text = stated if stated.lstrip().startswith("{") else Path(stated).read_text(encoding="utf-8")
        return parse(json.loads(text), VARIABLE)
    if environ.get("SPARKIOT_CONFIG"):
        file = Path(environ["SPARKIOT_CONFIG"]) / "job.json"
        job = json.loads(file.read_text(encoding="utf-8"))
        if job.get("shuffle"):
            return parse({"job": f"{job['namespace']}/{job['uid']}", **job["shuffle"]}, str(file))
        raise ShuffleNotConfigured("the job has no shuffle tiers: state spec.shuffle.tiers")
    raise ShuffleNotConfigured(
        f"the tiered shuffle has no tiers: run the program as a SparkIoTJob with spec.shuffle.tiers, or set {VARIABLE}"
        ' to {"tiers": [{"tier": "Warm", "path": "/a/folder/that/all/executors/share"}]}'
    )


def parse(document: Any, place: str) -> Settings:
    """place: where it stands, for messages. What is in ``tiers`` is read by who opens them. Raises ValueError."""
    if not isinstance(document, dict) or not isinstance(document.get("tiers"), list) or not document["tiers"]:
        raise ValueError(f"{place}: a shuffle's document is a JSON object with a list of tiers")
    first = document["tiers"][0]
    known = {"job", "tier", "compression", "tiers"}
    if unknown := set(document) - known:
        raise ValueError(f"{place}: unknown fields {', '.join(sorted(unknown))}; known are {', '.join(sorted(known))}")
    job = document.get("job")
    wanted = Wanted(
        tier=str(document.get("tier") or (first.get("tier") if isinstance(first, dict) else None)),
        compression=str(document.get("compression") or "LZ4"),
    )
    for field, value, allowed in (("tier", wanted.tier, TIERS), ("compression", wanted.compression, COMPRESSIONS)):
        if value not in allowed:
            raise ValueError(f"{place}: {field} is {value!r}; it must be one of {', '.join(allowed)}")
    return Settings(
        tiers={"tiers": document["tiers"]},
        job="/".join(_PART.sub("-", part) for part in str(job).split("/")) if job else None,
        wanted=wanted,
    )
