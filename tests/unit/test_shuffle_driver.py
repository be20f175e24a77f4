"""The tiered shuffle's parts in the driver, without Spark: order of tiers, clean-up, settings, readings, losses."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sparkiot_driver.shuffle import settings
from sparkiot_driver.shuffle.cleaner import SWEEP_SECONDS, Cleaner
from sparkiot_driver.shuffle.exchanges import TASK_BYTES, tasks_for
from sparkiot_driver.shuffle.figures import Figures
from sparkiot_driver.shuffle.link import Wanted
from sparkiot_driver.shuffle.lost import Lost, LostBlocks, found_in
from sparkiot_driver.shuffle.reads import Merged, Readings, taken
from sparkiot_driver.shuffle.requirements import MissingPackage, require
from sparkiot_driver.shuffle.runtime import unusable
from sparkiot_driver.shuffle.ship import pack
from sparkiot_driver.shuffle.stores import NoTierWorks, Stores, open_stores
from sparkiot_tiers.errors import BlockMissing, TierError, TierFull, TierNotShared, TierUnavailable
from sparkiot_tiers.store import BlockInfo, Buffer, Range, every


class Memory:
    """A tier in a dictionary, which may be told to fail."""

    def __init__(self, tier: str) -> None:
        self.tier = tier
        self.blocks: dict[str, bytes] = {}
        self.broken: TierError | None = None
        self.checks = 0

    def _works(self) -> None:
        if self.broken is not None:
            raise self.broken

    def check(self) -> None:
        self.checks += 1
        self._works()

    def write(self, key: str, data: Sequence[Buffer]) -> None:
        self._works()
        self.blocks[key] = b"".join(data)

    def read(self, requests: Sequence[Range]) -> list[Buffer]:
        found: list[Buffer] = []
        for key, offset, length in requests:
            if key not in self.blocks:
                raise BlockMissing(self.tier, key, f"{key} is gone")
            found.append(self.blocks[key][offset : offset + length])
        return found

    def delete(self, keys: Iterable[str]) -> None:
        if not isinstance(self.broken, TierFull):
            self._works()
        for key in keys:
            del self.blocks[key]

    def delete_prefix(self, prefix: str, which: Callable[[str], bool] = every) -> int:
        found = [key for key in self.blocks if key.startswith(prefix) and which(key)]
        self.delete(found)
        return len(found)

    def list(self, prefix: str) -> Iterator[BlockInfo]:
        self._works()
        yield from [BlockInfo(key, 1, 0.0) for key in list(self.blocks) if key.startswith(prefix)]

    def close(self) -> None:
        raise NotImplementedError


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """Three tiers and the clock that their back-off goes by."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.hot, self.warm, self.cold = Memory("Hot"), Memory("Warm"), Memory("Cold")
        self.stores = Stores({"Hot": self.hot, "Warm": self.warm, "Cold": self.cold}, self.clock)

    def cleaner(self, job: str | None) -> Cleaner:
        return Cleaner(self.stores, job, "r1", application="spark-1", clock=self.clock)


def test_the_wanted_tier_comes_first_and_others_stand_in_for_it() -> None:
    bench = Bench()
    assert bench.stores.order("Hot") == ["Hot", "Warm", "Cold"]
    assert bench.stores.order("Cold")[0] == "Cold"
    assert bench.stores.order("Archive")[0] == "Cold", "a tier that the job does not have"
    assert bench.hot.checks == 0, "a tier that did not fail is not asked before each batch"


def test_a_tier_that_failed_is_left_alone_and_then_checked_before_it_is_used() -> None:
    bench = Bench()
    bench.stores.failed(TierUnavailable("Hot", "gone"))
    assert bench.stores.order("Hot")[0] == "Warm"
    assert bench.hot.checks == 0
    bench.clock.now += 5
    bench.hot.broken = TierUnavailable("Hot", "still gone")
    assert bench.stores.order("Hot")[0] == "Warm"
    assert (bench.hot.checks, bench.stores.failures[0].failures) == (1, 2)
    bench.clock.now += 5
    assert bench.stores.order("Hot")[0] == "Warm"
    assert bench.hot.checks == 1, "the back-off has doubled"
    bench.clock.now += 5
    bench.hot.broken = None
    assert bench.stores.order("Hot")[0] == "Hot"
    assert bench.stores.failures == ()


def test_what_failed_in_this_batch_comes_last_but_is_better_than_none() -> None:
    bench = Bench()
    assert bench.stores.order("Hot", {"Hot", "Warm"}) == ["Cold", "Hot", "Warm"]
    alone = Stores({"Warm": bench.warm}, bench.clock)
    assert alone.order("Hot", {"Warm"}) == ["Warm"]
    alone.failed(TierFull("Warm", "full"))
    assert alone.order("Warm") == ["Warm"], "it works again, before its time"
    alone.failed(TierFull("Warm", "full"))
    bench.warm.broken = TierFull("Warm", "the disk is full")
    with pytest.raises(NoTierWorks, match="Warm: TierFull: the disk is full"):
        alone.order("Warm")


def test_a_block_goes_to_the_next_tier_and_later_ones_do_not_try_the_first_again() -> None:
    bench = Bench()
    bench.hot.broken = TierFull("Hot", "no room")
    tier, failures = bench.stores.write(["Hot", "Warm", "Cold"], "a", [b"1", b"2"])
    assert (tier, [tuple(failure) for failure in failures]) == ("Warm", [("Hot", "TierFull", "no room")])
    assert bench.warm.blocks == {"a": b"12"}
    assert bench.stores.write(["Hot", "Warm", "Cold"], "b", [b"3"]) == ("Warm", [])
    bench.warm.broken, bench.cold.broken = TierUnavailable("Warm", "w"), TierUnavailable("Cold", "c")
    with pytest.raises(NoTierWorks, match=r"Warm: TierUnavailable: w; Cold: .*; Hot: TierFull: no room"):
        bench.stores.write(["Hot", "Warm", "Cold"], "c", [b"4"])


def test_a_tier_that_cannot_be_opened_is_one_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    document = {
        "tiers": [
            {"tier": "Hot", "url": {"env": "NO_SUCH_SECRET"}},
            {"tier": "Warm", "path": str(tmp_path)},
            {"tier": "Cold", "bucket": "shuffle"},
        ]
    }
    stores = open_stores(document)
    assert open_stores(document) is stores
    tier, failures = stores.write(stores.order("Cold"), "a", [b"1"])
    assert (tier, [failure.reason for failure in failures]) == ("Warm", ["MissingPackage"])
    assert "pip install boto3" in failures[0].message
    tier, failures = stores.write(["Hot", "Warm"], "b", [b"1"])
    assert (tier, [failure.reason for failure in failures]) == ("Warm", ["TierDenied"])


def test_blocks_go_with_their_batch_and_those_of_dead_runs_at_the_start() -> None:
    bench = Bench()
    bench.hot.blocks = {"iot/u1/r0/b1/x0/m0": b"", "iot/u2/r0/b1/x0/m0": b"", "iot/u1/r1/b1/x0/m0": b""}
    bench.warm.blocks = {"iot/u1/r1/b1/x0/m1": b"", "iot/u1/r1/b12/x0/m0": b""}
    cleaner = bench.cleaner("iot/u1")
    cleaner.wait()
    assert set(bench.hot.blocks) == {"iot/u2/r0/b1/x0/m0", "iot/u1/r1/b1/x0/m0"}
    cleaner.committed(1, {"Hot", "Warm"}, oldest=2)
    cleaner.wait()
    assert set(bench.hot.blocks) == {"iot/u2/r0/b1/x0/m0"}
    assert set(bench.warm.blocks) == {"iot/u1/r1/b12/x0/m0"}, "b1 is no prefix of b12"
    cleaner.close()
    assert not bench.warm.blocks


def test_what_a_late_task_or_a_dead_tier_left_goes_with_the_next_sweep() -> None:
    bench = Bench()
    cleaner = bench.cleaner("iot/u1")
    bench.warm.blocks = {"iot/u1/r1/b1/x0/m0-a9-0": b"", "iot/u1/r1/b3/x0/m0": b"", "iot/u1/r1/b4/x0/m0": b""}
    bench.warm.broken = TierUnavailable("Warm", "away")
    cleaner.committed(3, {"Warm"}, oldest=4)
    cleaner.wait()
    bench.warm.broken = None
    assert len(bench.warm.blocks) == 3
    bench.clock.now += SWEEP_SECONDS
    cleaner.committed(2, {"Warm"}, oldest=4)
    cleaner.wait()
    assert set(bench.warm.blocks) == {"iot/u1/r1/b4/x0/m0"}


def test_spark_s_own_blocks_stay_while_it_runs_and_go_with_the_run_after_it() -> None:
    bench = Bench()
    own = "iot/u1/fallback/spark-1/0/77/shuffle_0_1_0.data"
    bench.warm.blocks = {own: b"", own.replace("spark-1", "spark-10"): b"", own.replace("spark-1", "spark-0"): b""}
    cleaner = bench.cleaner("iot/u1")
    cleaner.wait()
    assert set(bench.warm.blocks) == {own}
    cleaner.close()
    assert set(bench.warm.blocks) == {own}, "Spark still runs, and deletes it as it stops"


def test_blocks_of_a_batch_go_from_a_tier_that_is_full_too() -> None:
    bench = Bench()
    cleaner = bench.cleaner("iot/u1")
    bench.hot.blocks = {"iot/u1/r1/b1/x0/m0": b""}
    bench.hot.broken = TierFull("Hot", "no room")
    bench.stores.failed(bench.hot.broken)
    cleaner.committed(1, {"Hot"}, oldest=2)
    cleaner.wait()
    assert not bench.hot.blocks, "or it would never have room again"


def test_a_tier_that_recovers_while_nobody_wants_it_is_no_longer_called_failing() -> None:
    bench = Bench()
    cleaner = bench.cleaner("iot/u1")
    bench.hot.broken = TierUnavailable("Hot", "gone")
    bench.stores.failed(bench.hot.broken)
    cleaner.committed(1, {"Warm"}, oldest=2)
    cleaner.wait()
    assert bench.hot.checks == 0, "it is not asked before its time"
    bench.clock.now += 5
    cleaner.committed(2, {"Warm"}, oldest=3)
    cleaner.wait()
    assert (bench.hot.checks, bench.stores.failures[0].failures) == (1, 2)
    bench.hot.broken = None
    bench.clock.now += 10
    cleaner.committed(3, {"Warm"}, oldest=4)
    cleaner.wait()
    assert bench.stores.failures == ()


def test_a_folder_without_the_drivers_mark_takes_no_block() -> None:
    driver, executor, elsewhere = Bench(), Bench(), Bench()
    driver.stores.set_mark("iot/u1/r1/driver")
    executor.warm.blocks = driver.warm.blocks  # the same folder; the third bench's is another
    order = ["Warm", "Cold"]
    assert executor.stores.write(order, "a", [b"1"], "iot/u1/r1/driver") == ("Warm", [])
    tier, failures = elsewhere.stores.write(order, "b", [b"2"], "iot/u1/r1/driver")
    assert (tier, [failure.reason for failure in failures]) == ("Cold", ["TierNotShared"])
    assert "on several nodes" in failures[0].message
    assert "b" not in elsewhere.warm.blocks
    assert elsewhere.stores.write(["Warm"], "c", [b"3"]) == ("Warm", []), "the driver could set no mark: who knows"


def test_a_folder_that_is_not_shared_is_tried_again_by_tasks_as_the_driver_cannot_tell() -> None:
    bench = Bench()
    bench.stores.failed(TierNotShared("Warm", "not the driver's"))
    assert bench.stores.order("Warm")[0] == "Cold"
    assert bench.stores.reachable == ("Hot", "Warm", "Cold"), "what is in the driver's own folder can be deleted"
    bench.clock.now += 5
    bench.stores.recheck()
    assert bench.stores.order("Warm")[0] == "Warm"
    assert bench.warm.checks == 0
    bench.stores.failed(TierNotShared("Warm", "still not"))
    assert bench.stores.failures[0].failures == 2, "so that the back-off grows"
    bench.stores.worked("Warm")
    assert bench.stores.failures == ()


def test_a_program_without_a_name_never_touches_what_others_keep() -> None:
    bench = Bench()
    bench.warm.blocks = {"nameless/r0/b1/x0/m0": b"", "iot/u1/r0/b1/x0/m0": b""}
    cleaner = bench.cleaner(None)
    cleaner.wait()
    cleaner.close()
    assert len(bench.warm.blocks) == 2


TIERS = [{"tier": "Warm", "path": "/mnt"}]


def test_settings_come_from_a_variable_a_file_or_the_operator(tmp_path: Path) -> None:
    text = json.dumps({"job": "plant 7/a", "tier": "Hot", "compression": "ZSTD", "tiers": TIERS})
    (tmp_path / "shuffle.json").write_text(text)
    for value in (text, str(tmp_path / "shuffle.json")):
        found = settings.load({settings.VARIABLE: value})
        assert found == ({"tiers": TIERS}, "plant-7/a", Wanted("Hot", "ZSTD"))
    job = {"namespace": "iot", "uid": "u1", "shuffle": {"tiers": TIERS}}
    (tmp_path / "job.json").write_text(json.dumps(job))
    found = settings.load({"SPARKIOT_CONFIG": str(tmp_path)})
    assert found == ({"tiers": TIERS}, "iot/u1", Wanted("Warm", "LZ4"))


def test_what_is_not_configured_says_how(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text('{"namespace": "iot", "uid": "u1"}')
    with pytest.raises(settings.ShuffleNotConfigured, match=r"spec\.shuffle\.tiers"):
        settings.load({"SPARKIOT_CONFIG": str(tmp_path)})
    for document, told in (
        ("{}", "list of tiers"),
        ('{"tiers": [{}], "teir": "Hot"}', "unknown fields teir"),
        ('{"tiers": [{}], "tier": "hot"}', "tier is 'hot'; it must be one of Hot, Warm"),
        ('{"tiers": [{}], "tier": "Hot", "compression": "GZIP"}', "compression is 'GZIP'"),
    ):
        with pytest.raises(ValueError, match=f"SPARKIOT_SHUFFLE: .*{told}"):
            settings.load({settings.VARIABLE: document})


def test_a_package_that_is_missing_is_named() -> None:
    require(["json"])
    with pytest.raises(MissingPackage, match=r"needs no_such_package, .*`pip install no_such_package`"):
        require(["json", "no_such_package"])


def test_a_program_may_ask_before_it_relies_on_the_tiers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(settings.VARIABLE, raising=False)
    monkeypatch.delenv("SPARKIOT_CONFIG", raising=False)
    told = unusable()
    assert told is not None
    assert settings.VARIABLE in told
    monkeypatch.setenv(settings.VARIABLE, json.dumps({"tiers": TIERS}))
    assert unusable() is None
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    told = unusable()
    assert told is not None
    assert "pip install pyarrow" in told


def test_executors_get_the_sources_of_both_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import zipfile

    pack(tmp_path / "it.zip")
    names = zipfile.ZipFile(tmp_path / "it.zip").namelist()
    assert {"sparkiot_driver/shuffle/tasks.py", "sparkiot_driver/__init__.py", "sparkiot_tiers/store.py"} <= set(names)
    assert all(name.endswith(".py") for name in names)


def test_a_lost_block_is_found_in_the_text_that_spark_hands_on() -> None:
    lost = Lost("Warm", "BlockMissing", 'of "m1" {is} gone')
    text = f"Job aborted: Task 1 failed\n  sparkiot.LostBlocks: {LostBlocks(lost)}\n\tat org.apache\nDriver stacktrace:"
    assert found_in(RuntimeError(text)) == lost
    assert found_in(RuntimeError("no rows")) is None
    assert found_in(RuntimeError("sparkiot-lost-blocks:{cut")) is None


class Accumulated:
    """An accumulator of Spark's, as far as its value goes."""

    def __init__(self, *updates: dict[Any, Any]) -> None:
        self.value: dict[Any, Any] = {}
        for update in updates:
            self.value = Merged().addInPlace(self.value, update)


def test_few_rows_are_read_by_few_tasks() -> None:
    assert tasks_for(8, least=2, raw_bytes=1_000) == 2
    assert tasks_for(8, least=3, raw_bytes=1_000) == 4
    assert tasks_for(8, least=2, raw_bytes=3 * TASK_BYTES) == 4
    assert tasks_for(8, least=2, raw_bytes=100 * TASK_BYTES) == 8
    assert tasks_for(7, least=2, raw_bytes=0) == 7
    assert tasks_for(1, least=16, raw_bytes=0) == 1


def test_segments_that_are_read_twice_are_told_from_those_read_once() -> None:
    once = {("x0", 0): [1, {"Hot": [0.5, 100]}]}
    twice = {("x0", 1): [1, {"Hot": [0.25, 30], "Warm": [0.25, 10]}]}
    other = {("x1", 0): [1, {"Hot": [9.0, 900]}]}
    accumulator = Accumulated(once, twice, other, twice)
    found = taken(accumulator, {"x0"})
    assert (found.segment_bytes, found.again_bytes) == (140, 40)
    assert found.by_tier == {"Hot": (1.0, 160), "Warm": (0.5, 20)}
    assert set(accumulator.value) == {("x1", 0)}
    assert taken(accumulator, {"x0"}) == Readings(0, 0, {})


def test_a_batch_is_reported_with_the_tier_of_its_last_attempt() -> None:
    figures = Figures(Wanted("Hot", "LZ4"), "Hot")
    figures.wrote("Hot", rows=10, raw_bytes=100, stored_bytes=50, seconds=0.5)
    figures.failed("Hot", "TierUnavailable", "gone")
    figures.failed("Hot", "TierUnavailable", "gone, says another task")
    figures.attempt("Warm")
    figures.wrote("Warm", rows=10, raw_bytes=100, stored_bytes=40, seconds=0.25)
    readings = Readings(40, 0, {"Warm": (0.125, 40)})
    said = figures.message(readings, query="q", number=3, attempts=2, time=1.0, seconds=2.0, down=[])
    assert (said["wantedTier"], said["tier"], said["attempts"]) == ("Hot", "Warm", 2)
    assert (said["rows"], said["rawBytes"], said["storedBytes"], said["readBytes"]) == (20, 200, 90, 40)
    assert said["failures"] == [{"tier": "Hot", "reason": "TierUnavailable", "message": "gone"}]
    assert said["tiers"]["Warm"] == {
        "blocks": 1,
        "rawBytes": 100,
        "storedBytes": 40,
        "readBytes": 40,
        "writeSeconds": 0.25,
        "readSeconds": 0.125,
    }


def test_the_package_is_imported_without_pyarrow() -> None:
    import subprocess

    code = (
        "import sys\nfor name in ('pyarrow', 'pandas', 'redis', 'boto3'): sys.modules[name] = None\n"
        "import sparkiot_driver.shuffle, sparkiot_driver.agent\nprint(sparkiot_driver.shuffle.__all__)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert "aggregate" in found.stdout
