"""What the driver says of the tiered shuffle: sums, tiers, temperature, and the allocation in force."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from support_prometheus import promtool

from sparkiot_driver import exposition
from sparkiot_driver.allocation import Allocation
from sparkiot_driver.keeper import Keeper
from sparkiot_driver.report import Report
from sparkiot_driver.tiered import KEPT_BATCHES, TieredShuffle

FIRST = Allocation(generation=3, executors=2, memory_mib=2048, tier="Warm", compression="LZ4")


def batch(number: int, **changes: Any) -> dict[str, Any]:
    figures = {"blocks": 2, "rawBytes": 4000, "storedBytes": 1000, "readBytes": 1000, "writeSeconds": 0.25}
    return {
        "type": "shuffle",
        "time": 10.0,
        "query": "q1",
        "batchId": number,
        "wantedTier": "Hot",
        "tier": "Hot",
        "compression": "None",
        "rows": 100,
        **figures,
        "segmentBytes": 1000,
        "rereadBytes": 0,
        "readSeconds": 0.5,
        "seconds": 1.5,
        "attempts": 1,
        "failures": [],
        "tiers": {"Hot": {**figures, "readSeconds": 0.5}},
        "down": [],
        **changes,
    }


def wire(*messages: dict[str, Any]) -> dict[str, Any]:
    shuffle = TieredShuffle()
    for message in messages:
        shuffle.take(message)
    said = shuffle.to_wire()
    assert said is not None
    return said


def test_sums_grow_and_only_the_newest_batches_are_kept() -> None:
    said = wire(*(batch(number) for number in range(KEPT_BATCHES + 5)))
    assert len(said["batches"]) == KEPT_BATCHES
    assert said["batches"][-1]["seq"] == said["totals"]["batches"] == KEPT_BATCHES + 5
    assert said["totals"]["rawBytes"] == 4000 * (KEPT_BATCHES + 5)
    assert said["tiers"] == [{"tier": "Hot", **{k: v for k, v in said["tiers"][0].items() if k != "tier"}}]
    assert said["tiers"][0]["readSeconds"] == 0.5 * (KEPT_BATCHES + 5)


def test_a_batch_without_rows_has_no_ratio() -> None:
    said = wire(batch(1, rows=0, blocks=0, rawBytes=0, storedBytes=0, tiers={}))
    assert said["batches"][0]["ratio"] is None


def test_a_batch_that_runs_again_was_read_again_whatever_its_blocks_say() -> None:
    assert wire(batch(1), batch(2))["temperature"] < 0.2
    assert wire(batch(1), batch(2), batch(2))["temperature"] > 0.3
    assert wire(batch(1), batch(2), batch(2, query="q2"))["temperature"] < 0.2, "another query's number"
    assert wire(batch(1, query=None, batchId=None), batch(1, query=None, batchId=None))["temperature"] < 0.2


def test_the_allocation_in_force_is_that_of_the_newest_batch() -> None:
    keeper = Keeper(FIRST, 0.0)
    keeper.starting()
    report = Report(keeper, "abc")
    keeper.settle(staying=2, leaving=0, now=9.0, startup=5.0, restart_cost=None)
    assert keeper.applied is not None
    assert keeper.applied["tier"] == "Warm"
    report.take(batch(1), 10.0)
    assert (keeper.applied["tier"], keeper.applied["compression"]) == ("Hot", "None")
    keeper.propose(FIRST._replace(generation=4, tier="Cold"), 11.0)
    keeper.settle(staying=2, leaving=0, now=12.0, startup=5.0, restart_cost=None)
    assert (keeper.applied["generation"], keeper.applied["tier"]) == (4, "Hot"), "no batch has taken it over yet"


def test_metrics_are_silent_on_a_shuffle_that_is_not_used() -> None:
    report = Report(Keeper(FIRST, 0.0), "abc")
    text = exposition.render(report.observation(0, 1.0, own_cpu=0.5, rss_bytes=None))
    assert "tier" not in text


def with_a_failed_tier() -> str:
    """The metrics of a job whose hot tier failed."""
    report = Report(Keeper(FIRST, 0.0), "abc")
    failure = {"tier": "Hot", "reason": "TierFull", "message": "no room"}
    warm = {"blocks": 1, "rawBytes": 2, "storedBytes": 3, "readBytes": 4, "writeSeconds": 5.0, "readSeconds": 6.0}
    down = [{**failure, "since": 1.0, "retryAt": 2.0}]
    report.take(batch(1, tier="Warm", failures=[failure], down=down, tiers={"Warm": warm}), 10.0)
    return exposition.render(report.observation(0, 1.0, own_cpu=0.5, rss_bytes=None))


def test_promtool_finds_no_fault_with_the_drivers_metrics() -> None:
    checked = promtool("check", "metrics", stdin=with_a_failed_tier())
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_metrics_name_the_tier_that_failed() -> None:
    families = {family.name: family for family in text_string_to_metric_families(with_a_failed_tier())}
    assert all(family.documentation and family.type != "untyped" for family in families.values())
    (failures,) = families["sparkiot_driver_tier_failures"].samples
    assert (failures.labels, failures.value) == ({"tier": "Hot", "reason": "TierFull"}, 1.0)
    working = {sample.labels["tier"]: sample.value for sample in families["sparkiot_driver_tier_working"].samples}
    assert working == {"Hot": 0.0, "Warm": 1.0}
    assert families["sparkiot_driver_tiered_batch_info"].samples[0].labels == {"tier": "Warm", "compression": "None"}
