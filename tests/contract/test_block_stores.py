"""What every store of a shuffle tier promises, on real servers: Redis, a Redis Cluster, a folder, SeaweedFS (twice).

The archive's refusal to read, which SeaweedFS does not know, and each tier's own failures are in
``tests/integration/test_tier_failures.py``.
"""

import os
import pickle
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_tiers import KEY, PASSWORD, SECRET, Server, redis_cluster, redis_server, s3_server

from sparkiot_tiers import warm
from sparkiot_tiers.archive import ArchiveStore
from sparkiot_tiers.cold import MULTIPART_BYTES, Bucket, ColdStore, Credentials
from sparkiot_tiers.errors import BlockMissing, TierUnavailable
from sparkiot_tiers.hot import HotStore
from sparkiot_tiers.store import TIERS, BlockStore, Buffer, Range
from sparkiot_tiers.warm import WarmStore

KINDS = ("hot", "cluster", "warm", "cold", "archive")
PART_BYTES = 64
"""Of the hot tier here, so that small blocks have several parts."""


def url_of(server: Server) -> str:
    return server.address.replace("redis://", f"redis://:{PASSWORD}@")


@pytest.fixture(scope="module", params=KINDS)
def opened(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], BlockStore]]:
    """What opens the store; the server of one kind at a time."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "warm":
        yield lambda: WarmStore(str(folder))
    elif request.param == "hot":
        with redis_server(folder) as server:
            yield lambda: HotStore(url_of(server), part_bytes=PART_BYTES)
    elif request.param == "cluster":
        with redis_cluster(folder) as server:
            yield lambda: HotStore(url_of(server), part_bytes=PART_BYTES)
    else:
        kind = ColdStore if request.param == "cold" else ArchiveStore
        with s3_server(folder) as server:
            endpoint, _, name = server.address.rpartition("/")
            yield lambda: kind(Bucket(name, "blocks/", endpoint), Credentials(KEY, SECRET))


@pytest.fixture
def store(opened: Callable[[], BlockStore]) -> Iterator[BlockStore]:
    found = opened()
    yield found
    found.close()


@pytest.fixture
def job() -> str:
    """A prefix of the test's own."""
    return f"job-{uuid.uuid4().hex}"


def content(store: BlockStore, *requests: Range) -> list[bytes]:
    return [bytes(found) for found in store.read(requests)]


def keys(store: BlockStore, prefix: str) -> list[str]:
    return sorted(info.key for info in store.list(prefix))


def test_it_names_its_tier_and_passes_its_own_check(store: BlockStore) -> None:
    assert store.tier in TIERS
    store.check()
    assert keys(store, "sparkiot-check") == []


def test_buffers_of_every_kind_are_joined_into_one_block(store: BlockStore, job: str) -> None:
    store.write(f"{job}/a", [b"one ", bytearray(b"two "), memoryview(b"-three-")[1:-1], b""])
    assert content(store, Range(f"{job}/a", 0, 13)) == [b"one two three"]
    store.write(f"{job}/empty", [])
    assert keys(store, job) == [f"{job}/a", f"{job}/empty"]


def test_ranges_come_in_the_order_asked_for(store: BlockStore, job: str) -> None:
    data = bytes(range(200))
    store.write(f"{job}/a", [data])
    store.write(f"{job}/b", [b"second"])
    a, b = f"{job}/a", f"{job}/b"
    asked = (
        Range(b, 3, 3),
        Range(a, 199, 1),
        Range(a, 0, 200),
        Range("nowhere", 5, 0),
        Range(a, 63, 2),
        Range(b, 0, 1),
    )
    assert content(store, *asked) == [b"ond", data[199:], data, b"", data[63:65], b"s"]
    assert store.read([]) == []


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.binary(max_size=150), max_size=4),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=4),
)
def test_every_range_of_every_block_is_what_was_written(
    store: BlockStore, job: str, buffers: list[bytes], cuts: list[tuple[float, float]]
) -> None:
    data, key = b"".join(buffers), f"{job}/any"  # each example replaces the block of the one before
    store.write(key, buffers)
    asked = []
    for start, share in cuts:
        offset = int(start * len(data))
        asked.append(Range(key, offset, int(share * (len(data) - offset))))
    assert content(store, *asked) == [data[r.offset : r.offset + r.length] for r in asked]
    with pytest.raises(BlockMissing):
        store.read([Range(key, 0, len(data) + 1)])
    assert [info.size for info in store.list(job)] == [len(data)]


def test_what_is_not_there_is_missing_and_named(store: BlockStore, job: str) -> None:
    store.write(f"{job}/there", [b"12345"])
    for gone in (Range(f"{job}/gone", 0, 1), Range(f"{job}/there", 3, 3), Range(f"{job}/there", 5, 1)):
        with pytest.raises(BlockMissing) as caught:
            store.read([Range(f"{job}/there", 0, 5), gone])
        assert caught.value.key == gone.key
        assert gone.key in str(caught.value)
        assert caught.value.tier == store.tier
        again = pickle.loads(pickle.dumps(caught.value))  # a task's error goes to the driver
        assert (type(again), again.key, str(again)) == (BlockMissing, gone.key, str(caught.value))
        assert not any(secret in str(again) for secret in (PASSWORD, SECRET, KEY))


def test_a_shorter_block_leaves_nothing_of_the_longer_one_before(store: BlockStore, job: str) -> None:
    key = f"{job}/a"
    for length in (5 * PART_BYTES, 2 * PART_BYTES, PART_BYTES, 3):
        store.write(key, [b"x" * length])
        assert content(store, Range(key, 0, length)) == [b"x" * length]
        for offset in (length, 3 * PART_BYTES, 4 * PART_BYTES):
            if offset >= length:
                with pytest.raises(BlockMissing):
                    store.read([Range(key, offset, 1)])
    store.delete([key])
    assert keys(store, job) == []


def test_deleting_takes_what_is_named_and_nothing_else(store: BlockStore, job: str) -> None:
    mine = [f"{job}/1/a", f"{job}/1/b", f"{job}/2/a", f"{job}/10/a"]
    for key in mine:
        store.write(key, [b"x" * 2 * PART_BYTES])
    store.delete([f"{job}/1/b", f"{job}/1/never"])
    assert keys(store, job) == sorted({*mine} - {f"{job}/1/b"})
    assert store.delete_prefix(f"{job}/1/") == 1
    assert keys(store, job) == [f"{job}/10/a", f"{job}/2/a"]
    assert store.delete_prefix(f"{job}/never/") == 0
    assert store.delete_prefix(f"{job}/") == 2
    assert store.delete_prefix(f"{job}/") == 0
    with pytest.raises(ValueError, match="every block"):
        store.delete_prefix("")
    for key in mine:
        store.write(key, [b"x" * 2 * PART_BYTES])
    assert store.delete_prefix(f"{job}/", lambda key: key.endswith("/a") and "/1" in key) == 2
    assert keys(store, job) == [f"{job}/1/b", f"{job}/2/a"]


def test_a_listing_tells_size_and_time(store: BlockStore, job: str) -> None:
    before = time.time()
    store.write(f"{job}/a", [b"x" * 100])
    (found,) = store.list(f"{job}/")
    assert (found.key, found.size) == (f"{job}/a", 100)
    assert before - 2 < found.modified < time.time() + 2  # S3 tells seconds
    assert keys(store, f"{job}/b") == []


@pytest.mark.parametrize(
    "key", ["", "/a", "a//b", "../a", "a/../b", ".hidden", "a b", "a*", "x{y}", "ü", "a" * 201, "a/" * 300]
)
def test_a_key_that_some_tier_would_not_take_is_refused_by_all(store: BlockStore, key: str) -> None:
    with pytest.raises(ValueError, match="no block's key"):
        store.write(key, [b"x"])


def test_many_small_blocks_by_several_threads(store: BlockStore, job: str) -> None:
    names = [f"{job}/{number % 7}/{number}" for number in range(200)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: store.write(name, [name.encode()]), names))
        wanted = [Range(name, 0, len(name)) for name in names]
        for found in pool.map(lambda _: content(store, *wanted), range(4)):
            assert found == [name.encode() for name in names]
    assert keys(store, f"{job}/") == sorted(names)
    assert store.delete_prefix(f"{job}/") == len(names)
    assert keys(store, f"{job}/") == []


def test_a_large_block_comes_back_whole(store: BlockStore, job: str) -> None:
    data = os.urandom(1 << 20) * (MULTIPART_BYTES // (1 << 20) + 3)
    store = _opener(store)()
    store.write(f"{job}/large", [data[:7], data[7:]])
    found = store.read([Range(f"{job}/large", 0, len(data)), Range(f"{job}/large", len(data) - (9 << 20), 5)])
    assert found[0] == data
    assert found[1] == data[-(9 << 20) :][:5]
    assert store.delete_prefix(f"{job}/") == 1


WRITER = """
import sys, pickle
store, job, size = pickle.load(sys.stdin.buffer)
store = store()
for number in range(1000):
    store.write(f"{job}/{number:04}", [bytes([number % 251]) * size])
    print(number, flush=True)
"""


def test_a_writer_that_is_killed_leaves_no_half_block(store: BlockStore, job: str) -> None:
    """Killed while it writes the third block or later. What can be listed can be read to its end."""
    size = (MULTIPART_BYTES + 1) if isinstance(store, ColdStore) else 20 << 20
    writer = subprocess.Popen([sys.executable, "-c", WRITER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdin is not None
    assert writer.stdout is not None
    opener = _opener(store)
    store = opener()
    pickle.dump((opener, job, size), writer.stdin)
    writer.stdin.close()
    for _ in range(2):
        assert writer.stdout.readline(), "it ended by itself"
    time.sleep(0.01)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    listed = sorted(store.list(f"{job}/"))
    assert len(listed) >= 2
    for info in listed:
        assert info.size == size
        number = int(info.key[-4:])
        (found,) = store.read([Range(info.key, 0, size)])
        assert found == bytes([number % 251]) * size
    assert store.delete_prefix(f"{job}/", lambda key: int(key[-4:]) < len(listed)) == len(listed)
    half = [str(path) for path in store._root.rglob(".*")] if isinstance(store, WarmStore) else []
    assert store.delete_prefix(f"{job}/", lambda key: int(key[-4:]) < len(listed)) == 0
    assert not isinstance(store, WarmStore) or half == [str(path) for path in store._root.rglob(".*")]
    assert store.delete_prefix(f"{job}/", lambda key: int(key[-4:]) >= len(listed)) == 0
    if isinstance(store, WarmStore):
        assert not list(store._root.joinpath(job).glob("**/*")), "the file that was being written has gone too"
    if isinstance(store, ColdStore):
        assert not next(store._pages("list_multipart_uploads", job)).get("Uploads"), "nor are there parts of one"


def test_a_block_whose_file_is_deleted_while_it_is_written_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by the clean-up of a batch that is over, while a late copy of a task writes: no fault of the tier."""
    store, writes = WarmStore(str(tmp_path)), list[int]()
    write = warm._write_all

    def write_and_lose(file: int, data: Sequence[Buffer]) -> None:
        write(file, data)
        writes.append(file)
        if len(writes) <= losses:
            store.delete_prefix("job/")

    monkeypatch.setattr(warm, "_write_all", write_and_lose)
    losses = 2
    store.write("job/1/a", [b"whole"])
    assert content(store, Range("job/1/a", 0, 5)) == [b"whole"]
    assert len(writes) == 3
    losses = 100
    with pytest.raises(TierUnavailable, match="deleted as often as it is written"):
        store.write("job/1/b", [b"never"])


def _opener(store: BlockStore) -> Callable[[], BlockStore]:
    """Opens a store of the same server in another process; of the hot tier with parts of a size that is fit for it."""
    if isinstance(store, HotStore):
        return partial(HotStore, store._redis._url, part_bytes=8 << 20)
    if isinstance(store, WarmStore):
        return partial(WarmStore, str(store._root))
    assert isinstance(store, ColdStore)
    return partial(type(store), store._bucket, store._credentials)


def test_the_folder_itself_is_never_made(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    store = WarmStore(str(tmp_path / "gone"))
    (tmp_path / "gone").rmdir()
    with pytest.raises(Exception, match="does not exist"):
        store.check()
    assert not (tmp_path / "gone").exists()
