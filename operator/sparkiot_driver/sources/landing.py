"""What a gateway let land, as logs that are read to positions.

A file's name is ``SOURCE-MILLISECONDS-RUN.jsonl``. A gateway numbers the files of one run upwards, whatever its clock
does, and delivers the oldest first; so the files of a run are a log, and how far it was read is one number. A gateway
that was away for days brings files with old dates. They belong to a run that nobody has read so far, and are read when
they come. Two things follow that a position by time alone would not give: no late file is lost, and no list of files
that were read must be kept.

Listing everything for each batch would cost more every day. So each look lists the last hour, and now and then all.
What is new there says only how far logs have grown: files may land while a folder is listed, a later one seen and an
earlier one not. A second listing, from where each of these logs was known to, has all that came before.
"""

from __future__ import annotations

import datetime
import json
import re
from typing import Any, Callable, Iterator, Mapping, Tuple

from sparkiot_driver.sources.places import LandingError, Place
from sparkiot_driver.sources.positions import Entry, Positions, advanced, between, oldest

COLUMNS = "id STRING, device STRING, topic STRING, time TIMESTAMP, payload STRING, payloadBase64 STRING"
_NAME = re.compile(r"([\w.-]+)-(\d{13,16})-([0-9a-f]{8})\.jsonl$")
RECENT_S = 3600
SWEEP_S = 30.0
"""At least so long, and SWEEP_SHARE times as long as it takes, until all is listed again."""
SWEEP_SHARE = 20

Row = Tuple[Any, ...]


class Landing:
    """One query's look at a place. wall: epoch seconds. steady: a clock in seconds that is never set."""

    def __init__(self, place: Place, *, wall: Callable[[], float], steady: Callable[[], float]) -> None:
        self._place, self._wall, self._steady = place, wall, steady
        self._from: Positions = {}
        self._known: Positions = {}
        self._unread: list[Entry] = []
        """All files after ``_from`` up to and with ``_known``."""
        self._newest_ms = 0
        self._sweep_at = steady()

    def head(self, start: Positions) -> Positions:
        """Where all that is there is read."""
        self._look(start)
        return advanced(start, self._unread)

    def end(self, start: Positions, max_bytes: int | None, *, target: Positions | None = None) -> Positions:
        """Where a batch ends that begins at ``start``: at ``start`` when nothing waits. target: read no further.

        Raises LandingError.
        """
        self._look(start)
        waiting = self._unread if target is None else between(self._unread, start, target)
        return advanced(start, oldest(waiting, max_bytes))

    def files(self, start: Positions, end: Positions) -> list[Entry]:
        """What a batch holds; the same whenever it is asked for. Raises LandingError, also where files are gone."""
        if start != self._from or any(at > self._known.get(log, -1) for log, at in end.items()):
            self._look(start, everything=True)
        found = between(self._unread, start, end)
        gone = {log for log, at in end.items() if at > start.get(log, -1)} - {
            each.log for each in found if each.at == end[each.log]
        }
        if gone:
            raise LandingError(
                f"files of {', '.join(sorted(gone))} are gone that a batch is to hold: keep files for longer than the "
                "query may be away, or begin it anew with another checkpoint"
            )
        return found

    def _look(self, start: Positions, *, everything: bool = False) -> None:
        """Bring ``_unread`` up to date, for a batch that begins at ``start``."""
        if any(start.get(log, -1) < at for log, at in self._from.items()):  # what was let go as read is wanted again
            self._known, self._unread, everything = {}, [], True
        self._known.update((log, at) for log, at in start.items() if at > self._known.get(log, -1))
        begun = self._steady()
        everything = everything or begun >= self._sweep_at
        recent = partition(min(self._newest_ms / 1000, self._wall()) - RECENT_S)
        grown = advanced({}, self._list("" if everything else recent, self._known))
        if grown:
            since = min(partition(self._known[log] / 1000) if log in self._known else "" for log in grown)
            self._unread += between(self._list(since, self._known), self._known, grown)
            self._known.update(grown)
        self._unread = [each for each in self._unread if each.at > start.get(each.log, -1)]
        self._from = dict(start)
        if everything:
            ended = self._steady()
            self._sweep_at = ended + max(SWEEP_S, SWEEP_SHARE * (ended - begun))

    def _list(self, since: str, after: Positions) -> list[Entry]:
        found = []
        for each in self._place.files(since):
            file = entry(each.path, each.size)
            self._newest_ms = max(self._newest_ms, file.at)
            if file.at > after.get(file.log, -1):
                found.append(file)
        return found


def entry(path: str, size: int) -> Entry:
    """Raises LandingError for a file that no gateway wrote: which of them were read could not be told."""
    match = _NAME.match(path.rpartition("/")[2])
    if match is None:
        raise LandingError(
            f"{path} is not named as an edge gateway names its files: take it away, or read the folder with Spark's "
            "file source"
        )
    source, milliseconds, run = match.groups()
    return Entry(log=f"{source}-{run}", at=int(milliseconds), key=path, size=size)


def partition(time: float) -> str:
    """``date=YYYY-MM-DD/hour=HH`` of epoch seconds, UTC."""
    moment = datetime.datetime.fromtimestamp(max(time, 0.0), datetime.timezone.utc)
    return moment.strftime("date=%Y-%m-%d/hour=%H")


def rows(place: Place, path: str) -> Iterator[Row]:
    """The lines of a file, by COLUMNS. Raises LandingError."""
    number = 0
    try:
        for line in place.lines(path):
            number += 1
            yield _row(json.loads(line))
    except (ValueError, KeyError, TypeError) as error:
        raise LandingError(f"{path}:{number} is no line of an edge gateway's ({type(error).__name__})") from None


def _row(line: Mapping[str, Any]) -> Row:
    # Python 3.8 reads no Z.
    time = datetime.datetime.fromisoformat(line["time"][:-1]).replace(tzinfo=datetime.timezone.utc)
    return line["id"], line["device"], line["topic"], time, line["payload"], line.get("payloadBase64")
