"""How to get into Kafka: a file of librdkafka's properties (TLS, SASL, …), for signals and messages alike.

A file, as a mounted secret is one, and a command line is read by everybody on the machine.
"""

from pathlib import Path


class OptionsError(ValueError):
    """A file of Kafka properties cannot be used. The message repeats none of its values."""


def read_properties(path: Path | None) -> dict[str, str]:
    """``NAME=VALUE`` a line, as librdkafka's own tools read them; ``#`` begins a comment. None: nothing is said.

    Raises OptionsError.
    """
    if path is None:
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise OptionsError(f"{path} cannot be read: {reason}") from None
    found = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise OptionsError(f"{path}:{number}: expected NAME=VALUE")
        found[name.strip()] = value.strip()
    return found
