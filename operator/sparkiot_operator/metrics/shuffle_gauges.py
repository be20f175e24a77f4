"""What the tiered shuffle of a job is now."""

from sparkiot_operator.resource.base import seconds as parse_seconds
from sparkiot_operator.resource.status import ShuffleStatus
from sparkiot_operator.status import Cycle

from .families import Family, Read, Readings, single


def _status(cycle: Cycle) -> ShuffleStatus | None:
    return cycle.state.shuffle.status if cycle.state.shuffle is not None else None


def _bytes(cycle: Cycle) -> Readings:
    status = _status(cycle)
    yield ("raw",), status.raw_bytes if status else None
    yield ("stored",), status.stored_bytes if status else None


def _seconds(cycle: Cycle) -> Readings:
    status = _status(cycle)
    for phase, time in (("write", "write_time"), ("read", "read_time"), ("batch", "batch_time")):
        found = getattr(status, time) if status else None
        yield (phase,), None if found is None else parse_seconds(found)


def _failing(cycle: Cycle) -> Readings:
    for trouble in cycle.state.shuffle.troubles if cycle.state.shuffle else ():
        yield (trouble.tier.value, trouble.reason), 1


def _used(cycle: Cycle) -> Readings:
    status = _status(cycle)
    if status is not None:
        yield (status.wanted_tier.value, status.tier.value, status.compression.value), 1


SHUFFLE_GAUGES: tuple[Read[Cycle], ...] = (
    Read(
        Family(
            "sparkiot_job_shuffle_info",
            "1 for the shuffle tier and compression that are desired.",
            ("tier", "compression"),
        ),
        lambda c: [((c.allocation.tier.value, c.allocation.compression.value), 1)],
    ),
    Read(
        Family(
            "sparkiot_job_shuffle_batch_info",
            "1 for tiers and compression of the newest batch of the tiered shuffle.",
            ("wanted_tier", "tier", "compression"),
        ),
        _used,
    ),
    Read(
        Family(
            "sparkiot_job_shuffle_batch_bytes",
            "Bytes of the newest batch of the tiered shuffle: raw, stored.",
            ("kind",),
        ),
        _bytes,
    ),
    Read(
        Family(
            "sparkiot_job_shuffle_batch_seconds",
            "Seconds of the newest batch of the tiered shuffle: write and read summed over tasks, batch in all.",
            ("phase",),
        ),
        _seconds,
    ),
    Read(
        Family("sparkiot_job_shuffle_tier_failing", "1 for a shuffle tier that fails now.", ("tier", "reason")),
        _failing,
    ),
    Read(
        Family("sparkiot_job_data_temperature_ratio", "Probability that shuffled data is read again."),
        lambda c: single(c.evaluation.observation.temperature),
    ),
)
