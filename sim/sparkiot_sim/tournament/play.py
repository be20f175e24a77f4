"""Matches played over processes: the same results in the same order, however many there are."""

import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace

import numpy as np

from sparkiot_policies.job import Job
from sparkiot_policies.rules import Rate, Rule
from sparkiot_sim.episode import Episode, Summary, run_episode
from sparkiot_sim.timeline import Timeline

from .entry import LIMIT, Entrant, Entry, entrant
from .limit import limit
from .matches import Match, Tournament
from .tiers import TierUse, tier_use

SECONDS_PER_HOUR = 3600.0


class TournamentError(Exception):
    """The tournament could not be played to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a match came to.

    policy: the entry's name. mean_rate: messages/s. duration_s: seconds played. fallback_share: of the decisions,
    those that the fallback rule took because the policy failed or knew its own limits. timeline: kept for the first
    seed only.
    """

    policy: str
    workload: str
    mean_rate: float
    preset: str
    seed: int
    summary: Summary
    duration_s: float
    fallback_share: float
    tiers: TierUse
    timeline: Timeline | None

    @property
    def cell(self) -> tuple[str, str, float, str]:
        """Policy, workload, messages/s and preset: what the seeds of a row share."""
        return self.policy, self.workload, self.mean_rate, self.preset

    @property
    def round(self) -> tuple[str, float, str, int]:
        """Workload, messages/s, preset and seed: what all entries meet alike."""
        return self.workload, self.mean_rate, self.preset, self.seed

    @property
    def scalings_per_hour(self) -> float:
        return self.summary.scalings * SECONDS_PER_HOUR / self.duration_s


def play(
    tournament: Tournament,
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
            initargs=(tournament,),
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


def play_match(tournament: Tournament, match: Match, player: Entrant) -> Result:
    """Play one match in this process.

    A learned policy that cannot decide falls back to Rate, as a live job's does; a rule plays as itself throughout, at
    its own platform's pace (``Rule.limits``).
    """
    setting = tournament.setting(match)
    job = _job(setting.job, match.entry, player)
    episode = run_episode(
        job=job,
        simulated=replace(setting, job=job).simulated(),
        policy=player.policy,
        fallback=Rate() if player.learned else player.policy,
        meta=player.meta,
        duration_s=setting.duration_s,
        start=setting.start,
        delay=match.entry.delay,
    )
    decisions = [cycle.decision for cycle in episode.cycles]
    return _result(
        tournament,
        match,
        summary=episode.summary,
        interval_s=job.interval_s,
        fallback_share=float(np.mean([decision.acted != decision.policy for decision in decisions])),
        tiers=tier_use(
            [decision.allocation.tier.code for decision in decisions],
            [cycle.measurement.temperature for cycle in episode.cycles],
        ),
        timeline=_timeline(match.entry.name, episode, job.objectives.latency_target_ms),
    )


def solve_match(tournament: Tournament, match: Match) -> Result:
    """The oracle's match."""
    setting = tournament.setting(match)
    summary, tiers, timeline = limit(setting, name=match.entry.name)
    return _result(
        tournament,
        match,
        summary=summary,
        interval_s=setting.job.interval_s,
        fallback_share=0.0,
        tiers=tiers,
        timeline=timeline,
    )


def _result(
    tournament: Tournament,
    match: Match,
    *,
    summary: Summary,
    interval_s: float,
    fallback_share: float,
    tiers: TierUse,
    timeline: Timeline,
) -> Result:
    played = match.round
    return Result(
        policy=match.entry.name,
        workload=played.load.name,
        mean_rate=played.load.mean_rate,
        preset=played.preset,
        seed=played.seed,
        summary=summary,
        duration_s=tournament.duration_s // interval_s * interval_s,
        fallback_share=fallback_share,
        tiers=tiers,
        timeline=timeline if played.seed == tournament.seeds[0] else None,
    )


def _job(job: Job, entry: Entry, player: Entrant) -> Job:
    """The job of a match: the round's, under the entrant's reward weights, with what the entry takes from it."""
    limits = player.policy.limits(job.limits) if isinstance(player.policy, Rule) else job.limits
    initial = job.initial
    if entry.tier is not None:
        limits, initial = replace(limits, tiers=(entry.tier,)), replace(initial, tier=entry.tier)
    return replace(job, limits=limits, initial=initial, objectives=replace(job.objectives, weights=player.weights))


def _timeline(name: str, episode: Episode, latency_target_ms: float) -> Timeline:
    columns = episode.columns()
    return Timeline(
        name=name,
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
    """What a process holds between its matches: the program, and the entrants, each loaded once."""

    def __init__(self, tournament: Tournament) -> None:
        self._tournament = tournament
        self._matches = tournament.matches()
        played = [entry.policy for entry in tournament.entries if entry != LIMIT]
        self._entrants = {policy: entrant(policy) for policy in played}

    def play(self, index: int) -> Result:
        match = self._matches[index]
        if match.entry == LIMIT:
            return solve_match(self._tournament, match)
        return play_match(self._tournament, match, self._entrants[match.entry.policy])


_players: list[_Player] = []


def _enter(tournament: Tournament) -> None:
    # Ctrl-C ends the process that asked; it then ends these, which would otherwise each print a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _players[:] = [_Player(tournament)]


def _play(index: int) -> Result:
    return _players[0].play(index)
