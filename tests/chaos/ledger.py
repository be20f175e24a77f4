"""What the sink holds of what was written: each file read once, so that a long run can ask after every step."""

from collections import Counter
from pathlib import Path

from sparkiot_operator.landing import LandingError, committed_files, row_ids


class Ledger:
    """The rows of one sink by file. A batch that runs again replaces its files, so files may go."""

    def __init__(self, sink: Path) -> None:
        self._sink = sink
        self._ids: dict[Path, tuple[int, ...]] = {}

    def refresh(self) -> None:
        """Look again. While a batch is being replaced a file may go between two looks: the next one tells."""
        try:
            files = set(committed_files(self._sink))
            for gone in self._ids.keys() - files:
                del self._ids[gone]
            for file in files - self._ids.keys():
                self._ids[file] = tuple(row_ids(file))
        except (FileNotFoundError, LandingError):
            return

    def missing(self, written: int) -> int:
        """How many of the first so many rows are not there."""
        return written - len({row for ids in self._ids.values() for row in ids if row < written})

    def wrong(self, written: int) -> list[int]:
        """Rows that are there twice, or that nobody wrote."""
        times = Counter(row for ids in self._ids.values() for row in ids)
        return sorted(row for row, count in times.items() if count > 1 or row >= written)
