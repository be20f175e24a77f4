"""Load for a live job, and the proof that no row was lost or doubled: a landing folder's writer, a sink's checker.

The writer plays an edge gateway: it lets files of JSON lines appear in a folder that a streaming job reads. The checker
reads what the job wrote, as its readers would: only files of completed batches count. It knows two exactly-once sinks:

- Spark's file sink, whose `_spark_metadata` log lists the files of each completed batch (format: Spark's
  `FileStreamSinkLog`; every tenth entry, `N.compact`, repeats all before it);
- batch folders (`batch=N`, written by `foreachBatch`), completed when they hold `_SUCCESS`.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .errors import OperatorError

Rate = Callable[[float], float]
"""Rows a second, as a function of the seconds since the start."""

LOG = "_spark_metadata"
LOG_VERSION = "v1"
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What reading a line of JSON and a field of it may raise, whatever the line holds."""
DEVICES = 200


class LandingError(OperatorError):
    """A landing folder cannot be written, or a sink cannot be read."""


def steady(rate: float) -> Rate:
    """The same rate all the time, rows a second."""
    return lambda _: rate


def step(base: float, factor: float, start: float, length: float) -> Rate:
    """base rows a second, times factor from start (seconds) for length (seconds)."""
    return lambda elapsed: base * factor if start <= elapsed < start + length else base


def write_landing(
    folder: Path,
    rate: Rate,
    seconds: float,
    *,
    interval: float = 0.5,
    first_id: int = 0,
    stop: threading.Event | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Write a file of rows every interval (seconds), for so many seconds or until stop is set; return how many rows.

    A row is {"id", "time" (when its file was written), "device", "value" (0 to 100)}; ids grow by one from first_id. A
    file appears complete, by a rename. When the machine stalls, the next file holds what is due. A folder that was
    written before is continued with a first_id of its own. Blocks: run it in a thread, with a stop event to end it.
    Raises LandingError for a first_id that was used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stop = stop or threading.Event()
    start, elapsed, due, written = clock(), 0.0, 0.0, 0
    while elapsed < seconds:
        stop.wait(interval)
        now = min(clock() - start, seconds)
        due += rate(elapsed) * (now - elapsed)
        elapsed = now
        count = int(due) - written
        if count > 0:
            write_file(folder, range(first_id + written, first_id + written + count))
            written += count
        if stop.is_set():
            break
    return written


def write_file(folder: Path, ids: range) -> None:
    """Let one file with the rows of these ids appear in a landing folder. Raises LandingError when it is there."""
    name = f"rows-{ids.start:012d}.json"
    if (folder / name).exists():
        raise LandingError(f"{folder / name} exists: continue this folder with a first_id above all ids in it")
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
    rows = (json.dumps({"id": i, "time": stamp, "device": f"device-{i % DEVICES}", "value": _value(i)}) for i in ids)
    hidden = folder / f".{name}"  # Spark passes over names that begin with a dot
    hidden.write_text("".join(row + "\n" for row in rows), encoding="utf-8")
    hidden.rename(folder / name)


def _value(row_id: int) -> float:
    """0 to 100, spread evenly and the same for the same id, so that a run can be repeated."""
    return row_id * 37 % 100 + 0.5


@dataclass(frozen=True, slots=True)
class SinkCheck:
    """What a sink holds against what it should hold.

    expected: ids that were written to the landing folder. found: rows in the sink. missing, duplicated: ids in order.
    unknown: ids in the sink that nobody wrote.
    """

    expected: int
    found: int
    missing: tuple[int, ...]
    duplicated: tuple[int, ...]
    unknown: tuple[int, ...]

    @property
    def exactly_once(self) -> bool:
        return not (self.missing or self.duplicated or self.unknown)

    def __str__(self) -> str:
        faults = {"missing": self.missing, "duplicated": self.duplicated, "unknown": self.unknown}
        said = [f"{len(ids)} {name} (first: {ids[0]})" for name, ids in faults.items() if ids]
        return f"{self.found} rows of {self.expected}: " + (", ".join(said) or "each exactly once")


def check_sink(sink: Path, ids: Iterable[int]) -> SinkCheck:
    """Compare a sink's rows with the ids that went in. A sink that does not exist yet holds no rows.

    Raises LandingError for a sink whose log is damaged or names files that are gone.
    """
    expected = set(ids)
    rows = Counter(row_id for file in committed_files(sink) for row_id in row_ids(file))
    return SinkCheck(
        expected=len(expected),
        found=rows.total(),
        missing=tuple(sorted(expected - rows.keys())),
        duplicated=tuple(sorted(row_id for row_id, times in rows.items() if times > 1)),
        unknown=tuple(sorted(rows.keys() - expected)),
    )


def committed_files(sink: Path) -> list[Path]:
    """The files of the sink's completed batches, in the order of their names. Raises LandingError."""
    log = sink / LOG
    if log.is_dir():
        return sorted(_logged(log))
    folders = [folder for folder in sink.glob("batch=*") if (folder / "_SUCCESS").exists()]
    return sorted(file for folder in folders for file in folder.glob("part-*"))


def row_ids(file: Path) -> Iterator[int]:
    """The ids of the rows in one file of a sink. Raises LandingError for what is no row."""
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row_id = json.loads(line)["id"]
            except UNREADABLE as e:
                raise LandingError(f"{file}:{number}: no row with an id: {line[:80]!r}") from e
            if type(row_id) is not int:
                raise LandingError(f"{file}:{number}: the id must be a whole number: {line[:80]!r}")
            yield row_id


def _logged(log: Path) -> set[Path]:
    """Files that the file sink's log holds: those of the newest compact entry and of all entries after it."""
    entries = {int(f.name.split(".")[0]): f for f in log.iterdir() if f.name.removesuffix(".compact").isdigit()}
    # A compact entry replaces the plain entries before it, which Spark deletes only later.
    newest_compact = max((n for n, f in entries.items() if f.suffix == ".compact"), default=0)
    files: set[Path] = set()
    for number in sorted(n for n in entries if n >= newest_compact):
        version, *lines = entries[number].read_text(encoding="utf-8").split("\n")
        if version != LOG_VERSION:
            raise LandingError(f"{entries[number]}: log version {version!r}, and {LOG_VERSION!r} is known")
        try:
            statuses = [json.loads(line) for line in lines if line]
            files |= {_path_of(status["path"]) for status in statuses}
        except UNREADABLE as e:
            raise LandingError(f"{entries[number]}: damaged: {e!r}") from e
    if gone := sorted(file for file in files if not file.is_file()):
        raise LandingError(f"{log} lists {gone[0]}, which is not there: was the sink moved, or its files deleted?")
    return files


def _path_of(url: object) -> Path:
    if not isinstance(url, str):
        raise TypeError(f"path must be a URL, not {url!r}")
    return Path(unquote(urlsplit(url).path))
