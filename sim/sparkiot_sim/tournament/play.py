"""Matches played over processes: the same results in the same order, however many there are."""

import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace

import numpy as np

from sparkiot_policies.learned import LearnedPolicy
from sparkiot_policies.policy import Policy
from sparkiot_policies.rules import Rate, Rule
from sparkiot_sim.episode import Episode, Summary, run_episode
from sparkiot_sim.timeline import Timeline

from .matches import Match, Tournament

FindPolicy = Callable[[str], Policy]
"""From the name of an entry to its policy; an importable function, since every process calls it for itself."""
SECONDS_PER_HOUR = 3600.0


class TournamentError(Exception):
    """The tournament could not be played to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a match came to.

    mean_rate: messages/s. duration_s: seconds played. fallback_share: of the decisions, those that the fallback rule
    took because the policy failed or knew its own limits. timeline: kept for the first seed only.
    """

    policy: str
    workload: str
    mean_rate: float
    preset: str
    seed: int
    summary: Summary
    duration_s: float
    fallback_share: float
    timeline: Timeline | None

    @property
    def cell(self) -> tuple[str, str, float, str]:
        """Policy, workload, messages/s and preset: what the seeds of a row share."""
        return self.policy, self.workload, self.mean_rate, self.preset

    @property
    def scalings_per_hour(self) -> float:
        return self.summary.scalings * SECONDS_PER_HOUR / self.duration_s


def play(
    tournament: Tournament,
    find: FindPolicy,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> list[Result]:
    """Play every match. Results come in the order of ``tournament.matches()``.

    workers: processes; None for one a core. progress: called after each match with how many are done, of how many.
    Raises TournamentError when a process dies, PolicyError when one of them cannot load a policy.
    """
    count = len(tournament.matches())
    results: list[Result] = []
    others = set(multiprocessing.active_children())
    try:
        with ProcessPoolExecutor(
            max_workers=workers,
            # A fresh interpreter each: forking a process that holds threads may hang.
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_enter,
            initargs=(tournament, find),
        ) as pool:
            try:
                for result in pool.map(_play, range(count)):
                    results.append(result)
                    progress(len(results), count)
            except KeyboardInterrupt:
                # Leaving the pool waits for the matches under way; whoever stops a tournament does not want to.
                for worker in set(multiprocessing.active_children()) - others:
                    worker.terminate()
                raise
    except BrokenProcessPool as error:
        raise TournamentError(
            f"a process died after {len(results)} of {count} matches; fewer workers need less memory"
        ) from error
    return results


def play_match(tournament: Tournament, match: Match, policy: Policy) -> Result:
    """Play one match in this process.

    A learned policy that cannot decide falls back to Rate, as a live job's does; a rule plays as itself throughout, at
    its own platform's pace (``Rule.limits``).
    """
    setting = tournament.setting(match)
    job = setting.job
    if isinstance(policy, Rule):
        job = replace(job, limits=policy.limits(job.limits))
    episode = run_episode(
        job=job,
        simulated=setting.simulated(),
        policy=policy,
        fallback=Rate() if isinstance(policy, LearnedPolicy) else policy,
        duration_s=setting.duration_s,
        start=setting.start,
    )
    decisions = [cycle.decision for cycle in episode.cycles]
    keep = match.seed == tournament.seeds[0]
    return Result(
        policy=match.policy,
        workload=match.load.name,
        mean_rate=match.load.mean_rate,
        preset=match.preset,
        seed=match.seed,
        summary=episode.summary,
        duration_s=len(decisions) * job.interval_s,
        fallback_share=float(np.mean([decision.acted != decision.policy for decision in decisions])),
        timeline=_timeline(match, episode, job.objectives.latency_target_ms) if keep else None,
    )


def _timeline(match: Match, episode: Episode, latency_target_ms: float) -> Timeline:
    columns = episode.columns()
    return Timeline(
        name=match.policy,
        latency_target_ms=latency_target_ms,
        time=columns["time"],
        rate=columns["rate"],
        predicted=columns["predicted"],
        burst=columns["burst"],
        wanted=columns["wanted"],
        running=columns["running"],
        tier=columns["tier"],
        latency_ms=columns["latency_ms"],
    )


class _Player:
    """What a process holds between its matches: the program, and the policies, each loaded once."""

    def __init__(self, tournament: Tournament, find: FindPolicy) -> None:
        self._tournament = tournament
        self._matches = tournament.matches()
        self._policies = {name: find(name) for name in tournament.policies}

    def play(self, index: int) -> Result:
        match = self._matches[index]
        return play_match(self._tournament, match, self._policies[match.policy])


_players: list[_Player] = []


def _enter(tournament: Tournament, find: FindPolicy) -> None:
    # Ctrl-C ends the process that asked; it then ends these, which would otherwise each print a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _players[:] = [_Player(tournament, find)]


def _play(index: int) -> Result:
    return _players[0].play(index)
