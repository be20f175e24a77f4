"""From an exception or a process's last words to a message whose first line is the cause."""

from __future__ import annotations

import re
import traceback
from typing import Iterable

MAX_BYTES = 3000
"""A pod's termination message is cut at 4096 bytes; the JSON around it needs some."""
_CAUSE = re.compile(r"^\s*Caused by: (.+)$")
_JAVA_ERROR = re.compile(
    r"^(?:Exception in thread \"[^\"]*\" |: |\S+ \S+ ERROR [^:]+: (?=\S*(?:Exception|Error)\b))?"
    r"((?:[a-z_][\w$]*\.)+[A-Z][\w$]*(?:Exception|Error|Failure)\b.*)$"
)


def describe(error: BaseException) -> str:
    """Cause first, then where: ``Caused by`` lines of a JVM trace innermost first, then the Python error's own line."""
    text = str(error)
    causes = jvm_causes(text.splitlines())
    own = f"{type(error).__name__}: {_headline(text)}"
    if isinstance(error, SyntaxError):
        own = "".join(traceback.format_exception_only(type(error), error)).strip()
    return shorten("\n".join([*causes, own]))


def jvm_causes(lines: Iterable[str]) -> list[str]:
    """The causes that a JVM's stack trace names, innermost first, each once."""
    found: list[str] = []
    for line in lines:
        match = _CAUSE.match(line) or _JAVA_ERROR.match(line)
        if match and match.group(1) not in found:
            found.append(match.group(1))
    return found[::-1]


def of_output(tail: Iterable[str], how: str) -> str:
    """What a process that ended without telling why wrote last: its causes if there are any, else its last lines."""
    lines = [line for line in tail if line.strip()]
    causes = jvm_causes(lines)
    return shorten("\n".join([*causes, how] if causes else [how, *lines[-5:]]))


def of_executors(gave_up: str, newest_loss: str | None) -> str:
    """Why Spark gave up on executors: its words, and why the last one that had registered was lost, where one had."""
    last = f"the last one that ran: {newest_loss}" if newest_loss else "none of them came to register"
    advice = "spark.kubernetes.executor.deleteOnTermination=false keeps their pods and logs"
    return shorten(f"{gave_up}; {last}; {advice}")


def shorten(message: str) -> str:
    """At most MAX_BYTES of UTF-8, cut at a character."""
    data = message.encode("utf-8", "replace")
    return message if len(data) <= MAX_BYTES else data[: MAX_BYTES - 4].decode("utf-8", "ignore") + " ..."


def ending(code: int) -> str:
    """How a process ended, in words: an exit code or, below zero, a signal."""
    return (
        f"Spark's process was ended by signal {-code}" if code < 0 else f"Spark's process ended with exit code {code}"
    )


def user_traceback(error: BaseException, ours: str) -> str:
    """The traceback without the frames above the user's file: those of the file ``ours`` and runpy's."""
    frame = error.__traceback__
    while frame is not None and _is_machinery(frame.tb_frame.f_code.co_filename, ours):
        frame = frame.tb_next
    return "".join(traceback.format_exception(type(error), error, frame))


def _is_machinery(filename: str, ours: str) -> bool:
    return filename == ours or filename.startswith("<frozen ") or filename.endswith("runpy.py")


def _headline(text: str) -> str:
    line: str | None = next((line.strip() for line in text.splitlines() if line.strip()), None)
    return line or "no message"
