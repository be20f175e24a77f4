"""Who may call the endpoint: whoever shows a token of the job's Secret, as the kubelet has it in the pod now.

The operator replaces tokens while the driver runs: it writes the next one beside the present one, uses it as soon as
the driver takes it, and then drops the old one. So both are taken for as long as both stand in the Secret.
"""

from __future__ import annotations

import contextlib
import hmac
import threading
import time
from pathlib import Path
from typing import Callable

TOKEN, NEXT = "token", "next"
"""Keys of the Secret, and so names of files in its folder."""
LOOK_SECONDS = 1.0
"""Between two looks at the files; the kubelet takes up to a minute or two to renew them."""


class Tokens:
    """The tokens in a folder. Files that cannot be read keep what they held: a swap of folders is no revocation."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises OSError or ValueError when there is no token to begin with."""
        self._folder = folder
        self._clock = clock
        self._lock = threading.Lock()
        self._looked = clock()
        self._known = self._read()

    def accept(self, authorization: bytes) -> bool:
        """Whether this value of the header Authorization holds a token; a wrong one takes as long as another."""
        matches = [hmac.compare_digest(authorization, b"Bearer " + token) for token in self._current()]
        return any(matches)

    def _current(self) -> list[bytes]:
        with self._lock:
            now = self._clock()
            if now - self._looked >= LOOK_SECONDS:
                self._looked = now
                with contextlib.suppress(OSError, ValueError):
                    self._known = self._read()
            return self._known

    def _read(self) -> list[bytes]:
        present = (self._folder / TOKEN).read_bytes().strip()
        if not present:
            raise ValueError(f"the token in {self._folder / TOKEN} is empty")
        try:
            following = (self._folder / NEXT).read_bytes().strip()
        except FileNotFoundError:
            following = b""
        return [present, following] if following else [present]
