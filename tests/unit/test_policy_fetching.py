"""Policies that are fetched: what a source is, how often it is tried, and what is said until one is there."""

import asyncio
import contextlib
import threading
from pathlib import Path

import pytest
from pydantic import ValidationError
from support_policies import policy_artifact

from sparkiot_operator import policy_fetching
from sparkiot_operator.policies_store import PolicyStore
from sparkiot_operator.policy_fetching import Fetcher, Store
from sparkiot_operator.policy_source import Source
from sparkiot_operator.settings import Settings
from sparkiot_policies.errors import ArtifactError

CITY = Source("policies", "iot/city.tgz")
DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize("text", ["s3://policies/iot/city.tgz", "s3://my.bucket-1/a"])
def test_a_source_is_read_as_it_is_written(text: str) -> None:
    assert str(Source.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "policies/city.tgz", "https://policies/city.tgz", "s3://policies", "s3://policies/", "s3://P/a", "s3://a/b/"],
)
def test_what_is_no_archive_in_s3_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="s3://BUCKET/KEY"):
        Source.parse(text)
    with pytest.raises(ValidationError, match="s3://BUCKET/KEY"):
        Settings(all_namespaces=True, policy_sources={"city": text}, policy_digests={"city": DIGEST})


def test_a_source_without_a_digest_is_refused_before_anything_is_fetched() -> None:
    with pytest.raises(ValidationError, match="no digest was given for city"):
        Settings(all_namespaces=True, policy_sources={"city": str(CITY)}, policy_digests={"other": DIGEST})


class Bucket:
    """Answers with what is in it, or fails as often as it is told to first."""

    def __init__(self, holds: Path, *, failures: int) -> None:
        self.holds, self.failures, self.calls = holds, failures, 0

    def fetch(self, source: Source, digest: str, target: Path) -> None:
        assert (source, digest) == (CITY, DIGEST)
        self.calls += 1
        if self.calls <= self.failures:
            raise ArtifactError(f"{source}: the store is away, attempt {self.calls}")
        target.symlink_to(self.holds)


def fetcher(bucket: Bucket, folder: Path, *, retry_s: float = 0.001) -> Fetcher:
    return Fetcher({"city": CITY}, {"city": DIGEST}, bucket.fetch, folder=folder, retry_s=retry_s, retry_max_s=0.2)


def test_it_is_tried_until_it_is_there(tmp_path: Path) -> None:
    bucket = Bucket(tmp_path / "held", failures=3)
    found = fetcher(bucket, tmp_path)
    assert (found.path("city"), found.problems) == (None, {"city": "s3://policies/iot/city.tgz: not fetched yet"})
    asyncio.run(found.run())
    assert (bucket.calls, found.path("city"), found.problems) == (4, tmp_path / "city", {})
    assert found.path("other") is None


def test_a_store_that_hangs_keeps_the_operator_waiting_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()

    def hang(source: Source, digest: str, target: Path, store: Store) -> None:
        answer.wait(60)
        raise ArtifactError(f"{source}: no answer")

    monkeypatch.setattr(policy_fetching, "fetch", hang)
    monkeypatch.setattr(policy_fetching, "FIRST_LOOK_S", 0.01)

    async def begin() -> None:
        one = policy_fetching.fetching({"city": str(CITY)}, {"city": DIGEST}, Store(), retry_s=1, retry_max_s=1)
        async with one as found:
            assert found is not None
            assert "not fetched yet" in found.problems["city"]
            answer.set()

    asyncio.run(begin())


def test_the_store_says_why_one_is_not_there_and_loads_it_once_it_is(tmp_path: Path) -> None:
    artifact = policy_artifact(tmp_path / "held")
    bucket = Bucket(tmp_path / "held", failures=1)
    found = fetcher(bucket, tmp_path, retry_s=0.1)
    store = PolicyStore(folder=None, digests={"city": artifact.manifest.digest}, fetched=found)

    async def first_attempt() -> None:
        working = asyncio.create_task(found.run())
        await found.attempted.wait()
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working

    before = store.policy("city", None)
    assert before.problem is not None
    assert "not fetched yet" in before.problem
    asyncio.run(first_attempt())
    store.refresh()
    assert store.problems == {"city": "s3://policies/iot/city.tgz: the store is away, attempt 1"}
    asyncio.run(found.run())
    store.refresh()
    assert store.problems == {}
    assert store.policy("city", None).value is not None
