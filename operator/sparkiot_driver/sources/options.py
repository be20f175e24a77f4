"""What may be said of a source, read strictly. Pure.

Spark keeps options in plans, event logs and its pages. So no secret is one: credentials come by the environment, or by
a file that every pod has.
"""

from __future__ import annotations

from typing import Mapping, NamedTuple

MEBIBYTE = 1 << 20


class SourceOptionError(ValueError):
    """An option that is missing, unknown or malformed. The message repeats no value that could be a secret."""


class LandingOptions(NamedTuple):
    """path: a folder, or ``s3://BUCKET/PREFIX``. max_bytes: of files in a batch, if more than one. tasks: that share a
    batch at most."""

    path: str
    max_bytes: int
    tasks: int


class KafkaOptions(NamedTuple):
    """servers: host:port, separated by commas. max_rows: in a batch. properties: path of a file of librdkafka's.
    since_ms: epoch milliseconds of the oldest message of a query that begins; None for all that is there."""

    servers: str
    topic: str
    max_rows: int
    properties: str | None
    since_ms: int | None


def landing(given: Mapping[str, str]) -> LandingOptions:
    """Raises SourceOptionError."""
    fields = _Fields(given, "path", "maxMebibytesPerBatch", "tasksPerBatch")
    return LandingOptions(
        path=_local(fields.text("path")),
        max_bytes=fields.count("maxMebibytesPerBatch", 64) * MEBIBYTE,
        tasks=fields.count("tasksPerBatch", 8),
    )


def kafka(given: Mapping[str, str]) -> KafkaOptions:
    """``path``, which is what ``load`` is given, is the topic. Raises SourceOptionError."""
    fields = _Fields(given, "path", "servers", "maxRowsPerBatch", "propertiesFile", "startingTimestamp")
    since = fields.optional("startingTimestamp")
    return KafkaOptions(
        servers=fields.text("servers"),
        topic=fields.text("path"),
        max_rows=fields.count("maxRowsPerBatch", 100_000),
        properties=fields.optional("propertiesFile"),
        since_ms=None if since is None else fields.count("startingTimestamp", 0),
    )


class _Fields:
    """Options by name, of whatever case: Spark does not tell ``maxRows`` from ``maxrows``."""

    def __init__(self, given: Mapping[str, str], *known: str) -> None:
        self._given = {name.lower(): value for name, value in given.items()}
        unknown = sorted(set(self._given) - {name.lower() for name in known})
        if unknown:
            raise SourceOptionError(
                f"unknown option {', '.join(unknown)}: there are {', '.join(known)}. Credentials are no options, as "
                "Spark shows these: they come by the environment (S3) or by propertiesFile (Kafka)"
            )

    def optional(self, name: str) -> str | None:
        return self._given.get(name.lower())

    def text(self, name: str) -> str:
        value = self.optional(name)
        if not value:
            said = "give load() its place" if name == "path" else f"state option {name}"
            raise SourceOptionError(f"{name} is missing: {said}")
        return value

    def count(self, name: str, default: int) -> int:
        value = self.optional(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and int(value)):
            raise SourceOptionError(f"option {name} must be a whole number above 0")
        return int(value)


def _local(path: str) -> str:
    return path[len("file://") :] if path.startswith("file:///") else path


def read_properties(path: str) -> dict[str, str]:
    """A file of librdkafka's properties, ``NAME=VALUE`` a line; ``#`` begins a comment. Raises SourceOptionError."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - as short as it gets
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise SourceOptionError(
            f"{path} cannot be read: {reason}; driver and executors need it at the same path"
        ) from None
    found = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise SourceOptionError(f"{path}:{number}: expected NAME=VALUE")
        found[name.strip()] = value.strip()
    return found
