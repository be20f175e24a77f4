"""Matches over processes: the same results in the same order, however many there are."""

import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from .entry import LIMIT, Entrant, entrant
from .matches import Match, Tournament

Outcome = TypeVar("Outcome")
Task = Callable[[Tournament, Match, Entrant | None], Outcome]
"""Plays one match; without an entrant it is the oracle's. An importable function, as every process calls it."""
Progress = Callable[[int, int], None]
"""Told after each match how many are done, of how many."""


class TournamentError(Exception):
    """The tournament could not be played to its end."""


def silent(_done: int, _all: int) -> None:
    """Progress that nobody looks at."""


def over_processes(
    tournament: Tournament, task: Task[Outcome], *, workers: int | None = None, progress: Progress = silent
) -> list[Outcome]:
    """Give every match to ``task``. Outcomes come in the order of ``tournament.matches()``.

    workers: processes; None for one a core. Raises TournamentError when a process dies, PolicyError when one of them
    cannot load a policy.
    """
    count = len(tournament.matches())
    outcomes: list[Outcome] = []
    others = set(multiprocessing.active_children())
    try:
        with ProcessPoolExecutor(
            max_workers=workers,
            # A fresh interpreter each: forking a process that holds threads may hang.
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_enter,
            initargs=(tournament, task),
        ) as pool:
            try:
                for outcome in pool.map(_play, range(count)):
                    outcomes.append(outcome)
                    progress(len(outcomes), count)
            except KeyboardInterrupt:
                # Leaving the pool waits for the matches under way; whoever stops a tournament does not want to.
                for worker in set(multiprocessing.active_children()) - others:
                    worker.terminate()
                raise
    except BrokenProcessPool as error:
        raise TournamentError(
            f"a process died after {len(outcomes)} of {count} matches; fewer workers need less memory"
        ) from error
    return outcomes


class _Player:
    """What a process holds between its matches: the program, and the entrants, each loaded once."""

    def __init__(self, tournament: Tournament, task: Task[Any]) -> None:
        self._tournament, self._task = tournament, task
        self._matches = tournament.matches()
        played = [entry.policy for entry in tournament.entries if entry != LIMIT]
        self._entrants = {policy: entrant(policy) for policy in played}

    def play(self, index: int) -> Any:
        match = self._matches[index]
        player = None if match.entry == LIMIT else self._entrants[match.entry.policy]
        return self._task(self._tournament, match, player)


_players: list[_Player] = []


def _enter(tournament: Tournament, task: Task[Any]) -> None:
    # Ctrl-C ends the process that asked; it then ends these, which would otherwise each print a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _players[:] = [_Player(tournament, task)]


def _play(index: int) -> Any:
    return _players[0].play(index)
