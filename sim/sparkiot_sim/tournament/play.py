"""What a match comes to: an entry's run of one round."""

from dataclasses import dataclass, replace

import numpy as np

from sparkiot_policies.job import Job
from sparkiot_policies.rules import Rate, Rule
from sparkiot_sim.episode import Episode, Summary, run_episode
from sparkiot_sim.timeline import Timeline

from .entry import Entrant, Entry
from .limit import limit
from .matches import Match, Played, Tournament
from .processes import Progress, over_processes, silent
from .tiers import TierUse, tier_use

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(Played):
    """What a match came to.

    duration_s: seconds played. fallback_share: of the decisions, those that the fallback rule took because the policy
    failed or knew its own limits. timeline: kept for the first seed only.
    """

    summary: Summary
    duration_s: float
    fallback_share: float
    tiers: TierUse
    timeline: Timeline | None

    @property
    def scalings_per_hour(self) -> float:
        return self.summary.scalings * SECONDS_PER_HOUR / self.duration_s


def play(tournament: Tournament, *, workers: int | None = None, progress: Progress = silent) -> list[Result]:
    """Play every match; see ``over_processes``."""
    return over_processes(tournament, _play, workers=workers, progress=progress)


def _play(tournament: Tournament, match: Match, player: Entrant | None) -> Result:
    return solve_match(tournament, match) if player is None else play_match(tournament, match, player)


def play_match(tournament: Tournament, match: Match, player: Entrant) -> Result:
    """Play one match in this process.

    A learned policy that cannot decide falls back to Rate, as a live job's does; a rule plays as itself throughout, at
    its own platform's pace (``Rule.limits``).
    """
    setting = tournament.setting(match)
    job = match_job(setting.job, match.entry, player)
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
    return result_of(tournament, match, episode, job)


def result_of(tournament: Tournament, match: Match, episode: Episode, job: Job) -> Result:
    """What a run of a match came to, wherever it was played. job: as it was decided for."""
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
    return Result(
        **Played.of(match).match(),
        summary=summary,
        duration_s=tournament.duration_s // interval_s * interval_s,
        fallback_share=fallback_share,
        tiers=tiers,
        timeline=timeline if match.round.seed == tournament.seeds[0] else None,
    )


def match_job(job: Job, entry: Entry, player: Entrant) -> Job:
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
