"""Logs: one line a message for people, or one JSON object a line for machines."""

import logging
import sys
from datetime import UTC, datetime
from typing import Any

import orjson

from .settings import LogFormat, LogLevel

TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
NOISY = ("kopf.objects", "kopf._core", "kopf._cogs", "aiohttp.access")
"""Loggers whose INFO is about the machinery, not about jobs."""


class JsonFormatter(logging.Formatter):
    """time (RFC 3339, UTC), level, logger, message; ``job`` and the traceback as ``error`` where there are some."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if job := getattr(record, "job", None):
            line["job"] = job
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def configure_logs(log_format: LogFormat, level: LogLevel) -> None:
    """Everything to stderr, so that stdout stays for output."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format is LogFormat.JSON else logging.Formatter(TEXT))
    threshold = logging.getLevelNamesMapping()[level.value.upper()]
    logging.basicConfig(level=threshold, handlers=[handler], force=True)
    for name in NOISY:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING) if threshold > logging.DEBUG else threshold)
