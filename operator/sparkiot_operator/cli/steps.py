"""Progress of a command that has several steps: a bar on a terminal, a line a step and then a line a tenth in a log."""

import contextlib
from collections.abc import Callable, Iterator

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from .console import errors

TENTHS = 10


@contextlib.contextmanager
def steps() -> Iterator[Callable[[str, float, float], None]]:
    """Yields what is told of progress: what is under way, how much of it is done, of how much."""
    if not errors.is_terminal:
        yield _lines()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total or 1)


def _lines() -> Callable[[str, float, float], None]:
    last: tuple[str, int] = ("", 0)

    def tell(what: str, done: float, total: float) -> None:
        nonlocal last
        now = (what, int(TENTHS * done / total) if total else TENTHS)
        if now != last:
            errors.print(f"{what}: {10 * now[1]} %", markup=False)
        last = now

    return tell
