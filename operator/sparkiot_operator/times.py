"""Times and durations as the API writes them."""

from datetime import UTC, datetime


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC with whole seconds, as Kubernetes writes times."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def precise_timestamp(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds: for what is calculated with again."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def parse_timestamp(text: str) -> float:
    """Epoch seconds of an RFC 3339 time. Raises ValueError when it is none."""
    return datetime.fromisoformat(text).timestamp()


def format_seconds(seconds: float) -> str:
    """A duration with three significant digits that the spec would accept: 850ms, 1.35s, 12m, 1h."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.3g}ms"
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds:.3g}s" if seconds < 1000 else f"{seconds:.0f}s"
