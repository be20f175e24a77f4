"""``sparkiot calibrate`` on real tiers: Redis, a folder, and an S3 store, without Spark."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import redis
from support_tiers import KEY, PASSWORD, SECRET, Server, redis_server, s3_server

from sparkiot_operator.calibration.tiers import Measured, UncachedStore, measure, redis_tier, s3_tier
from sparkiot_operator.errors import CalibrateError
from sparkiot_policies.allocation import COMPRESSIONS, Compression, Tier
from sparkiot_sim.calibrate.outcome import FILE, RECORDS, REPORT
from sparkiot_sim.calibrate.records import Measurements
from sparkiot_sim.calibration import load_calibration
from sparkiot_tiers.store import Buffers, Range


@pytest.fixture(scope="module")
def hot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


def calibrate(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sparkiot_operator", "calibrate", "--no-spark", "--to", str(folder), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_three_tiers_are_measured_and_nothing_is_left_behind(hot: Server, cold: Server, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    tiers = ("--redis", hot.address, "--nvme", str(disk), "--s3", cold.address)
    run = calibrate(tmp_path / "out", *tiers, **hot.environment, **cold.environment)
    assert run.returncode == 0, run.stderr
    assert "not measured: tier Archive: no server was named" in run.stderr
    assert "not measured: Spark: left out" in run.stderr
    records = Measurements.model_validate_json((tmp_path / "out" / RECORDS).read_text())
    assert [t.tier for t in records.tiers] == [Tier.HOT, Tier.WARM, Tier.COLD]
    for record in records.tiers:
        assert {b.compression for b in record.blocks} == set(COMPRESSIONS)
        assert all(b.write_s > 0 and b.read_s > 0 for b in record.blocks)
        for kind, most in ((Compression.LZ4, 0.7), (Compression.ZSTD, 0.5)):
            assert all(b.stored_mb < most * b.raw_mb for b in record.blocks if b.compression is kind)
    calibration = load_calibration(tmp_path / "out" / FILE)
    for tier in (Tier.HOT, Tier.WARM, Tier.COLD):
        constants = calibration.tiers[tier]
        assert constants.access_s.date == constants.bandwidth_mb_s.date == records.date
        assert "same machine" in constants.access_s.source or tier is Tier.WARM
    assert calibration.tiers[Tier.ARCHIVE].access_s.date is None
    # What was written is gone, and no credential was written down or printed.
    assert list(disk.iterdir()) == []
    assert redis.Redis.from_url(hot.address, password=PASSWORD).dbsize() == 0
    told = run.stdout + run.stderr + "".join(f.read_text() for f in (tmp_path / "out").glob("*.[jmt]*"))
    assert not any(secret in told for secret in (PASSWORD, SECRET, KEY))


def test_earlier_records_are_evaluated_again_without_measuring(hot: Server, tmp_path: Path) -> None:
    assert calibrate(tmp_path / "a", "--redis", hot.address, **hot.environment).returncode == 0
    run = calibrate(tmp_path / "b", "--from", str(tmp_path / "a" / RECORDS))
    assert run.returncode == 0, run.stderr
    for name in (FILE, REPORT, RECORDS):
        assert (tmp_path / "a" / name).read_text() == (tmp_path / "b" / name).read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--redis", "redis://:hunter2@127.0.0.1:1/0"), "put them into REDIS_USERNAME and REDIS_PASSWORD"),
        (("--redis", "http://127.0.0.1:1/0"), "http://127.0.0.1:1/0 must be redis://HOST:PORT"),
        (("--redis", "unix://host/run/redis.sock"), "unix://host/run/redis.sock must be redis://HOST:PORT"),
        (("--redis", "redis://127.0.0.1:1/0"), "Redis at redis://127.0.0.1:1/0 does not serve: "),
        (("--nvme", "nowhere"), "nowhere does not exist"),
        (("--s3", "http://127.0.0.1:1"), "must be ENDPOINT/BUCKET"),
        (("--s3", "http://a:hunter2@127.0.0.1:1/b"), "put them into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        (("--s3", "http://127.0.0.1:1/b"), "s3://b/ at http://127.0.0.1:1 does not serve: "),
        (("--from", "nowhere.json"), "nowhere.json: cannot be read"),
    ],
)
def test_what_cannot_be_measured_ends_in_one_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    run = calibrate(tmp_path / "out", *arguments, AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    assert run.returncode == 1
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert "hunter2" not in run.stderr
    assert not (tmp_path / "out" / FILE).exists()


def test_a_wrong_password_and_a_missing_bucket_are_told_apart_from_an_empty_tier(hot: Server, cold: Server) -> None:
    with pytest.raises(CalibrateError, match=r"Redis at redis://127\.0\.0\.1:\d+/0 refuses the credentials"):
        measure(redis_tier(hot.address), step=lambda _: None)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cold.environment.items():
            patch.setenv(name, value)
        with pytest.raises(CalibrateError, match=r"s3://shuffle-two/ at http://127\.0\.0\.1:\d+ does not exist"):
            measure(s3_tier(f"{cold.address}-two"), step=lambda _: None)


class Forgetful(UncachedStore):
    """Gives back empty blocks."""

    def read(self, requests: Sequence[Range]) -> Buffers:
        return [b""] * len(requests)


def test_a_tier_that_gives_back_something_else_is_no_tier(tmp_path: Path) -> None:
    with pytest.raises(CalibrateError, match="a disk: a block came back with other content than was written"):
        measure(Measured(Forgetful(str(tmp_path)), lambda: "a disk"), step=lambda _: None)
    assert list(tmp_path.iterdir()) == []
