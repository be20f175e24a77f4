"""The lists that ``sparkiot tournament`` takes as options; what is wrong with one is a usage error that names it."""

import re
from collections.abc import Iterable, Sequence

import typer

MOST_SEEDS = 1000


def names(text: str, option: str) -> tuple[str, ...]:
    """``a,b,c``; none of them empty."""
    found = tuple(part.strip() for part in text.split(","))
    if not all(found):
        raise typer.BadParameter(f"{text!r} has an empty name", param_hint=option)
    return found


def known(chosen: Sequence[str], choices: Iterable[str], option: str) -> tuple[str, ...]:
    """The same names, each of them a choice."""
    allowed = tuple(choices)
    for name in chosen:
        if name not in allowed:
            raise typer.BadParameter(f"{name!r} is unknown; known: {', '.join(allowed)}", param_hint=option)
    return tuple(chosen)


def rates(text: str) -> tuple[float, ...]:
    """``100,300``: messages/s, above 0."""
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(0 < rate < float("inf") for rate in found):
        raise typer.BadParameter(f"{text!r} must be rates above 0, such as 300 or 100,300", param_hint="--mean-rate")
    return found


def seeds(text: str) -> tuple[int, ...]:
    """``1-10`` or ``1,4,7-9``, each once."""

    def wrong(reason: str) -> typer.BadParameter:
        return typer.BadParameter(f"{text!r}: {reason}", param_hint="--seeds")

    found: dict[int, None] = {}
    for part in text.split(","):
        bounds = re.fullmatch(r"\s*([0-9]{1,9})(?:-([0-9]{1,9}))?\s*", part)
        if not bounds:
            raise wrong("expected whole numbers and ranges, such as 1-10 or 1,4,7-9")
        first, last = int(bounds[1]), int(bounds[2] or bounds[1])
        if last < first:
            raise wrong(f"the range {part.strip()} runs backwards")
        if len(found) + last - first >= MOST_SEEDS:
            raise wrong(f"more than {MOST_SEEDS} seeds")
        for seed in range(first, last + 1):
            if seed in found:
                raise wrong(f"seed {seed} occurs twice")
            found[seed] = None
    return tuple(found)


def duration(text: str, option: str = "--duration") -> float:
    """Seconds of ``24h``."""
    from sparkiot_operator.resource.base import seconds

    try:
        return seconds(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
