"""A tier that cannot be opened, as its credentials or its client are missing: a store like any other, and it fails."""

# ruff: noqa: ARG002 - the arguments are the protocol's
from __future__ import annotations

from typing import Any, Callable, Iterable, Iterator, Sequence

from sparkiot_tiers.errors import TierError
from sparkiot_tiers.store import BlockInfo, Range, every


class BrokenStore:
    """Whatever is asked of it fails as the opening did, so that other tiers stand in for it."""

    def __init__(self, error: TierError) -> None:
        self.tier = error.tier
        self._error = error

    def check(self) -> None:
        raise self._error

    def write(self, key: str, data: Sequence[Any]) -> None:
        raise self._error

    def read(self, requests: Sequence[Range]) -> list[Any]:
        raise self._error

    def delete(self, keys: Iterable[str]) -> None:
        raise self._error

    def delete_prefix(self, prefix: str, which: Callable[[str], bool] = every) -> int:
        raise self._error

    def list(self, prefix: str) -> Iterator[BlockInfo]:
        raise self._error

    def close(self) -> None:
        """There is nothing to close."""
