"""One start of Spark: the spark-submit process, its environment, its last words and its end."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import IO, Mapping, Sequence, cast

HERE = Path(__file__).resolve().parent
TAIL_LINES = 80
KILL_SECONDS = 10.0
_GAVE_UP = re.compile(rb"Max number of executor failures \(\d+\) reached")
"""What Spark's Kubernetes scheduler logs before it stops the context for good. It says so nowhere else: the user's file
gets an error that only says that the context was stopped, and the process ends with the exit code of that."""


class NoSparkError(Exception):
    """The image has no spark-submit where one is looked for."""


class Child:
    """spark-submit in a process group of its own; it ends with this process, whatever ends this process."""

    def __init__(
        self, properties_file: Path, application: Sequence[str], *, environ: Mapping[str, str], work: Path
    ) -> None:
        """Start it. Must be called from a thread that lives as long as the process. Raises NoSparkError, OSError."""
        command = spark_submit(environ)
        self.started_at = time.time()
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.gave_up: str | None = None
        """Spark's own words when executors failed too often."""
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            [
                sys.executable,
                str(HERE / "lifeline.py"),
                str(os.getpid()),
                command,
                "--deploy-mode",
                "client",
                "--properties-file",
                str(properties_file),
                str(HERE / "runner.py"),
                *application,
            ],
            stderr=subprocess.PIPE,
            cwd=str(work),
            env=dict(environ),
            start_new_session=True,
        )
        self._output = cast("IO[bytes]", self._process.stderr)
        self._relay = threading.Thread(target=self._pass_on, name="stderr", daemon=True)
        self._relay.start()

    def poll(self) -> int | None:
        """The exit code, a signal as its negative number, or None while it runs."""
        code = self._process.poll()
        if code is not None:
            self._relay.join(timeout=1)
        return code

    def kill(self) -> None:
        """End it and all that it started, at once."""
        for sign, patience in ((signal.SIGTERM, 2.0), (signal.SIGKILL, KILL_SECONDS)):
            if self._ended_by(sign, patience):
                return

    def reap(self) -> None:
        """End what the process left behind in its group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _ended_by(self, sign: signal.Signals, patience: float) -> bool:
        try:
            os.killpg(self._process.pid, sign)
            self._process.wait(patience)
        except ProcessLookupError:
            return True
        except subprocess.TimeoutExpired:
            return False
        return True

    def _pass_on(self) -> None:
        """Its stderr goes to ours; the last lines are kept, for an end that nobody explains."""
        for line in iter(self._output.readline, b""):
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()
            self.tail.append(line.decode("utf-8", "replace").rstrip())
            found = _GAVE_UP.search(line)
            if found:
                self.gave_up = found.group().decode()


def spark_submit(environ: Mapping[str, str]) -> str:
    """Path of spark-submit: of SPARK_HOME, of python3's pyspark, or on the PATH. Raises NoSparkError."""
    homes: list[str] = [environ["SPARK_HOME"]] if environ.get("SPARK_HOME") else []
    if not homes:
        probe = "import os, pyspark; print(os.path.dirname(pyspark.__file__))"
        python = shutil.which("python3") or sys.executable
        found = subprocess.run(  # noqa: S603 - our own command
            [python, "-c", probe], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
        )
        homes = [found.stdout.decode().strip()] if found.returncode == 0 else []
    for home in homes:
        command = Path(home) / "bin" / "spark-submit"
        if command.is_file():
            return str(command)
    on_path = shutil.which("spark-submit")
    if on_path is None:
        raise NoSparkError(
            "the image has no spark-submit: neither in SPARK_HOME, nor beside python3's pyspark, nor on PATH"
        )
    return on_path


def environment(environ: Mapping[str, str], socket_path: str, spark_version: str) -> dict[str, str]:
    """The child's environment: the user's code gets neither the endpoint's token nor its place."""
    result = {k: v for k, v in environ.items() if k not in ("SPARKIOT_TOKEN_FILE", "SPARKIOT_ALLOCATION")}
    result["SPARKIOT_SOCKET"] = socket_path
    result["SPARKIOT_SPARK_VERSION"] = spark_version
    result.setdefault("PYSPARK_PYTHON", sys.executable)
    result.setdefault("PYSPARK_DRIVER_PYTHON", result["PYSPARK_PYTHON"])
    return result
