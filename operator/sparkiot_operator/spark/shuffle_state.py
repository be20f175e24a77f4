"""How a job's tiered shuffle stands: from what the driver reports, and what the operator saw of the tiers. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sparkiot_operator.resource.status import ShuffleStatus, TierTroubleStatus
from sparkiot_operator.tier_access import TierTrouble
from sparkiot_operator.times import format_seconds, timestamp
from sparkiot_policies.allocation import TIERS, Tier

from .report import DriverReport, ShuffleReport

KNOWN_TIERS = frozenset(tier.value for tier in TIERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShuffleState:
    """The tiered shuffle of a job that states tiers.

    status: None before a batch used it.

    troubles: the tiers that fail now. checked: whether the tiers were looked at yet.
    """

    status: ShuffleStatus | None = None
    troubles: tuple[TierTroubleStatus, ...] = ()
    checked: bool = False


def shuffle_state(report: DriverReport | None, seen: Iterable[TierTrouble] | None) -> ShuffleState:
    """seen: what the operator found, None before it looked; it counts until the driver has looked for itself."""
    checks = report.tier_checks if report is not None else ()
    troubles = {trouble.tier: trouble for trouble in _troubles(report, () if checks else seen or ())}
    found = tuple(troubles[tier] for tier in TIERS if tier in troubles)
    status = None
    if report is not None and report.shuffle is not None and report.shuffle.batches:
        status = _status(report.shuffle, found)
    return ShuffleState(status=status, troubles=found, checked=bool(checks) or seen is not None)


def _troubles(report: DriverReport | None, seen: Iterable[TierTrouble]) -> Iterator[TierTroubleStatus]:
    """The newest word on a tier last: what batches met outweighs what a check found."""
    for trouble in seen:
        yield TierTroubleStatus(tier=Tier(trouble.tier), reason=trouble.reason, message=trouble.message)
    if report is None:
        return
    # A newer runtime may know a tier that this operator does not; no status can speak of it.
    for check in report.tier_checks:
        if check.reason is not None and check.tier in KNOWN_TIERS:
            yield TierTroubleStatus(tier=Tier(check.tier), reason=check.reason, message=check.message or check.reason)
    for down in report.shuffle.down if report.shuffle is not None else ():
        if down.tier not in KNOWN_TIERS:
            continue
        yield TierTroubleStatus(
            tier=Tier(down.tier),
            reason=down.reason,
            message=down.message or down.reason,
            since=None if down.since is None else timestamp(down.since),
            next_try=None if down.retry_at is None else timestamp(down.retry_at),
        )


def _status(shuffle: ShuffleReport, failing: tuple[TierTroubleStatus, ...]) -> ShuffleStatus:
    newest, totals = shuffle.batches[-1], shuffle.totals
    return ShuffleStatus(
        wanted_tier=newest.wanted_tier,
        tier=newest.tier,
        compression=newest.compression,
        raw_bytes=newest.raw_bytes,
        stored_bytes=newest.stored_bytes,
        ratio=None if newest.ratio is None else f"{newest.ratio:.2f}",
        write_time=None if newest.write_seconds is None else format_seconds(newest.write_seconds),
        read_time=None if newest.read_seconds is None else format_seconds(newest.read_seconds),
        batch_time=None if newest.seconds is None else format_seconds(newest.seconds),
        batches=totals.batches,
        repeated_batches=totals.retried_batches,
        temperature=None if shuffle.temperature is None else f"{shuffle.temperature:.2f}",
        failing=list(failing),
    )
