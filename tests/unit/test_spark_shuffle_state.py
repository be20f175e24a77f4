"""How the tiered shuffle of a job stands: status, condition, events and observation from a driver's report, by hand."""

from typing import Any

from support_spark import report

from sparkiot_operator.conditions import build_conditions, shuffle_finding
from sparkiot_operator.events import events_between
from sparkiot_operator.resource.status import ShuffleStatus, SparkIoTJobStatus, TierTroubleStatus
from sparkiot_operator.spark.measurement import measure
from sparkiot_operator.spark.shuffle_state import ShuffleState, shuffle_state
from sparkiot_operator.tier_access import TierTrouble
from sparkiot_policies.allocation import Allocation, Compression, Tier
from sparkiot_policies.job import Prices
from sparkiot_policies.measurement import Measurement

NO_BUCKET = TierTrouble("Cold", "TierMisconfigured", "s3://shuffle/ does not exist; create the bucket")
WORKS = {"reason": None, "message": None, "time": 900.0}
DOWN = {"tier": "Hot", "reason": "TierFull", "message": "no room", "since": 950.0, "retryAt": 960.0}
BATCH = {
    "seq": 7,
    "wantedTier": "Hot",
    "tier": "Warm",
    "compression": "ZSTD",
    "rawBytes": 4000,
    "storedBytes": 1000,
    "ratio": 0.25,
    "writeSeconds": 0.25,
    "readSeconds": 0.5,
    "seconds": 1.5,
}


def shuffle(**changes: Any) -> dict[str, Any]:
    totals = {"batches": 7, "retriedBatches": 1, "rawBytes": 28_000_000, "storedBytes": 7_000_000}
    return {"batches": [BATCH], "totals": totals, "tiers": [], "down": [], "temperature": 0.125, **changes}


def test_nothing_is_known_before_anybody_looked() -> None:
    assert shuffle_state(None, None) == ShuffleState()
    assert shuffle_state(report(1000.0), None) == ShuffleState()
    finding = shuffle_finding(ShuffleState())
    assert finding is not None
    assert (finding.status, finding.reason) == (None, "NotChecked")
    assert shuffle_finding(None) is None, "a job without tiers has no such condition"


def test_what_the_operator_saw_counts_until_the_driver_has_looked() -> None:
    expected = TierTroubleStatus(tier=Tier.COLD, reason="TierMisconfigured", message=NO_BUCKET.message)
    assert shuffle_state(None, (NO_BUCKET,)) == ShuffleState(troubles=(expected,), checked=True)
    looked = report(1000.0, tierChecks=[{"tier": "Cold", **WORKS}])
    assert shuffle_state(looked, (NO_BUCKET,)) == ShuffleState(checked=True)


def test_what_batches_met_outweighs_what_a_check_found() -> None:
    checks = [
        {"tier": "Hot", "reason": "TierDenied", "message": "wrong password", "time": 900.0},
        {"tier": "Warm", **WORKS},
        {"tier": "Cold", "reason": "TierSlow", "message": "late", "time": 900.0},
    ]
    found = shuffle_state(report(1000.0, tierChecks=checks, shuffle=shuffle(down=[DOWN])), None)
    assert [(t.tier, t.reason, t.since, t.next_try) for t in found.troubles] == [
        (Tier.HOT, "TierFull", "1970-01-01T00:15:50Z", "1970-01-01T00:16:00Z"),
        (Tier.COLD, "TierSlow", None, None),
    ]
    assert found.status is not None
    assert found.status.failing == list(found.troubles)


def test_the_status_tells_the_newest_batch() -> None:
    found = shuffle_state(report(1000.0, shuffle=shuffle()), ())
    assert found.status == ShuffleStatus(
        wanted_tier=Tier.HOT,
        tier=Tier.WARM,
        compression=Compression.ZSTD,
        raw_bytes=4000,
        stored_bytes=1000,
        ratio="0.25",
        write_time="250ms",
        read_time="500ms",
        batch_time="1.5s",
        batches=7,
        repeated_batches=1,
        temperature="0.12",
    )


def status(*troubles: TierTroubleStatus) -> SparkIoTJobStatus:
    finding = shuffle_finding(ShuffleState(troubles=troubles, checked=True))
    assert finding is not None
    return SparkIoTJobStatus(conditions=build_conditions([], [finding], generation=1, now=0.0))


def test_condition_and_event_name_the_tier_and_the_reason() -> None:
    hot = TierTroubleStatus(tier=Tier.HOT, reason="TierFull", message="no room; raise maxmemory")
    cold = TierTroubleStatus(tier=Tier.COLD, reason="MissingPackage", message="no package boto3")
    (condition,) = status(hot, cold).conditions
    assert (condition.type, condition.status, condition.reason) == ("ShuffleTiersReady", "False", "HotFull")
    assert condition.message == "Hot: TierFull: no room; raise maxmemory; Cold: MissingPackage: no package boto3"
    assert status(cold).conditions[0].reason == "ColdMissingPackage"
    (event,) = events_between(SparkIoTJobStatus(), status(hot))
    assert (event.reason, event.message, event.warning) == (
        "ShuffleTierFailed",
        "Hot: TierFull: no room; raise maxmemory",
        True,
    )
    assert [e.reason for e in events_between(status(hot), status(cold))] == ["ShuffleTierFailed"], "another tier"
    assert events_between(status(hot), status(hot)) == []
    assert [e.reason for e in events_between(status(hot), status())] == ["ShuffleTiersRecovered"]
    assert events_between(SparkIoTJobStatus(), status()) == [], "what works is no news"


def look(previous: Any, current: Any) -> Measurement:
    allocation = Allocation(executors=1, memory_mib=2048, tier=Tier.HOT, compression=Compression.NONE)
    return measure(previous, current, now=current.time, prices=Prices(), desired=allocation, unschedulable=0)


def test_shuffle_size_and_temperature_are_those_of_the_tiered_shuffle() -> None:
    totals = {"batches": 10, "shuffleWriteBytes": 10_000_000, "shuffleReadBytes": 10_000_000}
    current = report(1000.0, totals=totals, shuffle=shuffle())
    seen = look(None, current)
    assert seen.shuffle_mb == 1 + 4, "10 MB in 10 batches of Spark's own, 28 MB in 7 of the tiered one"
    assert seen.temperature == 0.125
    before = shuffle(totals={"batches": 5, "rawBytes": 8_000_000, "storedBytes": 0})
    assert look(report(990.0, totals=totals, shuffle=before), current).shuffle_mb == 1 + 10, "20 MB in 2 batches since"
    assert look(None, report(1000.0, totals=totals)).temperature == 0.0


def test_stored_blocks_are_billed_by_the_tier() -> None:
    gib = 1 << 30
    executors = {"running": 1, "pending": 0, "cores": 1}
    own = {"batches": 1, "shuffleWriteBytes": 0}
    stored = (shuffle(totals={"batches": n, "rawBytes": 0, "storedBytes": n * gib}) for n in (0, 1))
    before, after = (
        report(at, executors=executors, totals=own, shuffle=found)
        for at, found in zip((1000.0, 4600.0), stored, strict=True)
    )
    idle = look(report(1000.0, executors=executors, totals=own), report(4600.0, executors=executors, totals=own))
    seen = look(before, after)
    assert seen.cost_per_hour is not None
    assert idle.cost_per_hour is not None
    assert round(seen.cost_per_hour - idle.cost_per_hour, 6) == Prices().shuffle_gib[Tier.HOT], "1 GiB in an hour"
