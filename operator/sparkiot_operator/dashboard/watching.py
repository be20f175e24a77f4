"""A timeline from what statuses say, for a page that has neither an operator's memory nor its audit log.

A status holds executors, latency and the last decision; it holds no load, no forecast and nothing to decide again, so
these are missing.
"""

from sparkiot_policies.allocation import TIERS

from .jobs import JobView
from .samples import Entry, Sample, Timeline, direction


def look(timeline: Timeline, job: JobView, *, now: float) -> None:
    """Add what the job's status says. now: real time, epoch seconds; a simulated job states its own."""
    if job.phase is None:
        return
    before = timeline.samples[-1].decided if timeline.samples else None
    moved = job.wanted - before if job.wanted is not None and before is not None else 0
    timeline.add(
        Sample(
            time=job.now or now,
            running=job.running,
            decided=job.wanted,
            latency_s=job.latency_s,
            target_s=job.target_s,
            tier=next((tier for tier in TIERS if tier.value == job.tier), None),
            change=direction(moved) if moved else None,
            held=any(c.type == "ScalingLimited" and c.status == "True" for c in job.conditions),
        )
    )
    last = job.decision
    if last is None or last.time is None or (timeline.entries and timeline.entries[-1].time == last.time):
        return
    entry = Entry(
        time=last.time,
        reason=last.reason,
        message=last.message,
        policy=last.policy or "",
        clamps=last.clamps,
        fallback=last.fallback,
    )
    timeline.note(entry, changed=True)
