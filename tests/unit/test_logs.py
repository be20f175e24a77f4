"""Logs: one JSON object a line, with the job and the traceback where there are some."""

import json
import logging

from sparkiot_operator.logs import JsonFormatter


def line(message: str, *arguments: object, error: Exception | None = None, **extra: object) -> dict[str, object]:
    record = logging.LogRecord("sparkiot_operator.loop", logging.WARNING, "f", 1, message, arguments, None)
    if error:
        record.exc_info = (type(error), error, error.__traceback__)
    record.__dict__.update(extra)
    text = JsonFormatter().format(record)
    assert "\n" not in text
    return dict(json.loads(text))


def test_a_plain_message() -> None:
    found = line("scaled to %d", 4)
    assert {key: found[key] for key in ("level", "logger", "message")} == {
        "level": "warning",
        "logger": "sparkiot_operator.loop",
        "message": "scaled to 4",
    }
    assert str(found["time"]).endswith("+00:00")
    assert set(found) == {"time", "level", "logger", "message"}


def test_the_job_and_the_traceback() -> None:
    found = line("failed", error=ValueError("several\nlines"), job="iot/city")
    assert found["job"] == "iot/city"
    assert "ValueError: several" in str(found["error"])
