"""Reading a log of decisions: JSON lines in files that are rotated by size, as the operator's audit log writes them.

``decisions.jsonl`` is the newest file, ``decisions.jsonl.1`` the newest rotated one, higher numbers are older. A line
is complete or the last one of its file: a crash can only cut the end.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic_core import from_json

from .codec import decode_decision, decode_evaluation, decode_job
from .decision import Decision
from .errors import PolicyError
from .evaluation import Evaluation
from .job import Job

LOGGER = logging.getLogger(__name__)
SCHEMA = 2
"""Version of a line's layout; a reader refuses those that it does not know."""
READABLE = (1, SCHEMA)
"""Version 1 knew no policy in shadow."""
FILE_NAME = "decisions.jsonl"
_ROTATED = re.compile(re.escape(FILE_NAME) + r"\.(\d+)$")


class LogError(PolicyError):
    """A line of a log cannot be read. The message names file and line."""


@dataclass(frozen=True, slots=True)
class Logged:
    """One decision and its surroundings. namespace, name, uid: of the job's object. generation: of the spec that it
    rests on. why: what people were told of it; empty where it changed nothing. shadow: what a policy on trial decided
    beside it, for itself alone; None where there was none."""

    namespace: str
    name: str
    uid: str
    generation: int
    job: Job
    evaluation: Evaluation
    decision: Decision
    why: str = ""
    shadow: Decision | None = None

    @property
    def ref(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"


def log_files(folder: Path) -> list[Path]:
    """The files of a folder, oldest first."""
    rotated = [(int(found[1]), p) for p in folder.iterdir() if (found := _ROTATED.search(p.name))]
    current = folder / FILE_NAME
    return [path for _, path in sorted(rotated, reverse=True)] + ([current] if current.exists() else [])


def read_log(paths: Sequence[Path], *, job: str | None = None) -> Iterator[Logged]:
    """The decisions of files, or of folders of them, oldest first; a folder's files in the order of rotation.

    job: only of this one, as ``namespace/name``; lines of others are skipped without a look at what they decided.
    A last line without an end is a decision that a crash cut off: it is left out with a warning. Raises LogError for
    anything else that is no decision, and FileNotFoundError for an absent path.
    """
    for path in paths:
        for file in log_files(path) if path.is_dir() else [path]:
            yield from _read_file(file, job)


def decode(line: bytes, *, job: str | None = None) -> Logged | None:
    """A line's decision; None where it is not this job's. Raises ValueError, TypeError or KeyError for anything else
    than a line of a log."""
    raw = from_json(line)
    if not isinstance(raw, dict) or raw.get("schema") not in READABLE:
        found = raw.get("schema") if isinstance(raw, dict) else type(raw).__name__
        raise ValueError(f"schema {found!r}, known are {', '.join(map(str, READABLE))}")
    if job is not None and f"{raw['namespace']}/{raw['name']}" != job:
        return None
    (namespace, name, uid), generation = [raw[key] for key in ("namespace", "name", "uid")], raw["generation"]
    if not all(isinstance(text, str) for text in (namespace, name, uid)) or type(generation) is not int:
        raise TypeError("namespace, name and uid must be text, and generation a whole number")
    return Logged(
        namespace=namespace,
        name=name,
        uid=uid,
        generation=generation,
        job=decode_job(raw["job"]),
        evaluation=decode_evaluation(raw["evaluation"]),
        decision=decode_decision(raw["decision"]),
        why=raw.get("why", ""),
        shadow=decode_decision(raw["shadow"]) if raw.get("shadow") else None,
    )


def _read_file(path: Path, job: str | None) -> Iterator[Logged]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                found = decode(line, job=job)
            except (ValueError, TypeError, KeyError) as error:
                if not line.endswith(b"\n"):
                    LOGGER.warning("%s:%d: the last line is cut off and left out", path, number)
                    return
                raise LogError(f"{path}:{number}: not an audit record: {error!r}") from error
            if found is not None:
                yield found
