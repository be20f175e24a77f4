"""``clocked.py FILE COMMAND…``: a Python command whose wall clock is off by the seconds that FILE holds, now.

Only ``time.time`` is off, from which the operator takes every time of its own; it is what a step of the machine's clock
changes for one process. The running clock does not jump, on a machine either. (libfaketime would shift the clock for
the whole process, but it breaks sleeping by the running clock, which Python does.)
"""

import runpy
import sys
import time
from pathlib import Path

LOOK_S = 0.2


def shift(file: Path) -> None:
    """Let ``time.time`` follow the file."""
    real, running = time.time, time.monotonic
    offset, looked = 0.0, float("-inf")

    def shifted() -> float:
        nonlocal offset, looked
        if running() - looked >= LOOK_S:
            looked = running()
            text = file.read_text() if file.exists() else ""
            offset = float(text or offset)
        return real() + offset

    time.time = shifted


if __name__ == "__main__":
    _, offsets, _, flag, module, *arguments = sys.argv  # FILE python -m MODULE ARGUMENTS…
    assert flag == "-m"
    shift(Path(offsets))
    sys.argv = [module, *arguments]
    sys.path[0] = ""
    runpy.run_module(module, run_name="__main__", alter_sys=True)
