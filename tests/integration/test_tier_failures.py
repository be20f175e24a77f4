"""How each tier fails: servers that are killed, full, deaf, closed, or refuse; and an archive that must be restored.

A full disk is shown by a limit on the size of the process's files (RLIMIT_FSIZE), as a quota would be. SeaweedFS never
refuses to read what is archived, so the server of ``support_archive`` does, as the Amazon S3 API Reference says; it
also stands in for an S3 store that is full.
"""

import contextlib
import multiprocessing
import os
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from support_archive import ArchivingServer, archiving_server
from support_operator import free_port
from support_tiers import KEY, PASSWORD, SECRET, Server, deaf_server, redis_cluster, redis_server, s3_server

from sparkiot_tiers.archive import ArchiveStore
from sparkiot_tiers.cold import Bucket, ColdStore, Credentials
from sparkiot_tiers.errors import (
    BlockArchived,
    BlockMissing,
    TierDenied,
    TierError,
    TierFull,
    TierMisconfigured,
    TierSlow,
    TierUnavailable,
)
from sparkiot_tiers.hot import HotStore
from sparkiot_tiers.store import BlockStore, Range
from sparkiot_tiers.warm import WarmStore

MIB = 1 << 20
OWN = Credentials(KEY, SECRET)


def url_of(server: Server, password: str = PASSWORD) -> str:
    return server.address.replace("redis://", f"redis://:{password}@")


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


def bucket_of(server: Server, name: str | None = None) -> Bucket:
    endpoint, _, own = server.address.rpartition("/")
    return Bucket(name or own, "failures/", endpoint)


def fails(kind: type[TierError], act: Callable[[], object], *said: str) -> None:
    """It fails so, the message says this, and no message holds a secret."""
    with pytest.raises(TierError) as caught:
        act()
    assert type(caught.value) is kind, caught.value
    for part in said:
        assert part in str(caught.value)
    assert not any(secret in str(caught.value) for secret in (PASSWORD, SECRET, "wrong-secret"))


def test_a_redis_that_is_killed_and_comes_back(tmp_path: Path) -> None:
    port = free_port()
    with redis_server(tmp_path, port=port) as server:
        store = HotStore(url_of(server))
        store.write("a", [b"x"])
    fails(TierUnavailable, lambda: store.write("b", [b"x"]), f"Redis at redis://127.0.0.1:{port}/0 does not serve")
    fails(TierUnavailable, lambda: store.read([Range("a", 0, 1)]))
    with redis_server(tmp_path, port=port):
        fails(BlockMissing, lambda: store.read([Range("a", 0, 1)]), "block a is not there")
        store.write("b", [b"x"])
        assert store.read([Range("b", 0, 1)]) == [b"x"]


def test_a_redis_that_is_full_says_so_and_works_again_when_there_is_room(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--maxmemory", "24mb", "--maxmemory-policy", "noeviction") as server:
        store = HotStore(url_of(server), part_bytes=2 * MIB)
        fails(TierFull, lambda: [store.write(f"job/{n}", [b"x" * 3 * MIB]) for n in range(99)], "no room", "maxmemory")
        written = [info.key for info in store.list("job/")]
        assert len(written) > 3
        assert all(bytes(found) == b"x" * 3 * MIB for found in store.read([Range(k, 0, 3 * MIB) for k in written]))
        assert store.delete_prefix("job/") == len(written)
        store.write("job/again", [b"x" * 3 * MIB])


def fill(client: redis.Redis) -> None:
    with contextlib.suppress(redis.exceptions.OutOfMemoryError):
        for number in range(1000):
            client.set(f"foreign-{number}", b"x" * MIB)


def test_a_redis_that_refuses_by_itself_is_full_too(tmp_path: Path) -> None:
    """Its memory was read when there still was room, and others have filled it since."""
    with redis_server(tmp_path, "--maxmemory", "24mb", "--maxmemory-policy", "noeviction") as server:
        store = HotStore(url_of(server), part_bytes=2 * MIB, clock=lambda: 0.0)  # no time passes between its looks
        store.write("small", [b"x"])
        other = redis.Redis.from_url(url_of(server))
        fill(other)
        fails(TierFull, lambda: store.write("one-part", [b"x" * MIB]), "is full", "maxmemory")
        fails(TierFull, lambda: store.write("two-parts", [b"x" * 3 * MIB]), "is full")
        assert [info.key for info in store.list("")] == ["small"], "a part of the second one was kept"


def test_a_redis_that_would_evict_is_refused(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--maxmemory", "24mb", "--maxmemory-policy", "volatile-lru") as server:
        fails(TierMisconfigured, HotStore(url_of(server)).check, "volatile-lru", "noeviction")


def test_the_jobs_own_ceiling_holds_below_the_servers(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        store = HotStore(url_of(server), ceiling_bytes=16 * MIB)
        fails(TierFull, lambda: [store.write(f"job/{n}", [b"x" * MIB]) for n in range(99)], f"of {16 * MIB} are in use")
        used = redis.Redis.from_url(url_of(server)).info("memory")["used_memory"]
        assert 12 * MIB < used <= 16 * MIB


def test_blocks_of_a_dead_job_go_away_by_themselves(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        HotStore(url_of(server), ttl_seconds=60, part_bytes=4).write("a", [b"123456789"])
        client = redis.Redis.from_url(url_of(server))
        lives = [client.ttl(name) for name in client.scan_iter()]
        assert len(lives) == 3
        assert all(0 < seconds <= 60 for seconds in lives)
        HotStore(url_of(server), ttl_seconds=0.05).write("b", [b"x"])
        fails(BlockMissing, lambda: _until_gone(HotStore(url_of(server)), "b"), "expired")


def _until_gone(store: BlockStore, key: str) -> None:
    while True:
        store.read([Range(key, 0, 1)])


def test_a_wrong_password_is_refused(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        fails(TierDenied, HotStore(url_of(server, "wrong-secret")).check, "refuses the credentials")
        fails(TierDenied, HotStore(server.address).check, "refuses the credentials")


def test_a_slot_that_moves_to_another_node_is_followed(tmp_path: Path) -> None:
    with redis_cluster(tmp_path) as server:
        store = HotStore(url_of(server), part_bytes=4)
        store.write("before", [b"x"])
        ports = [folder.name for folder in tmp_path.iterdir()]
        clients = [redis.Redis.from_url(f"redis://:{PASSWORD}@127.0.0.1:{port}/0") for port in ports]
        name = "sparkiot:{moving}"
        slot = clients[0].execute_command("CLUSTER KEYSLOT", name)
        target = next(client for client in clients if not _serves(client, name))
        owner = target.execute_command("CLUSTER MYID").decode()
        for client in clients:
            client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", owner)
        store.write("moving", [b"123456789"])  # three parts, in a transaction at the new owner
        assert store.read([Range("moving", 0, 9), Range("moving", 5, 2)]) == [b"123456789", b"67"]
        assert target.exists(name) == 1


def _serves(client: redis.Redis, name: str) -> bool:
    """Whether the node has the name's slot; another one points elsewhere."""
    try:
        client.exists(name)
    except redis.exceptions.MovedError:
        return False
    return True


@pytest.mark.parametrize("kind", ["hot", "cold"])
def test_a_server_that_never_answers_is_slow(kind: str) -> None:
    with deaf_server() as port:
        store: BlockStore = HotStore(f"redis://127.0.0.1:{port}/0", timeout_seconds=0.2)
        if kind == "cold":
            store = ColdStore(Bucket("b", "", f"http://127.0.0.1:{port}"), OWN, timeout_seconds=0.2)
        fails(TierSlow, store.check, f"127.0.0.1:{port}", "did not answer within 0.2 s")


@pytest.mark.parametrize("kind", ["hot", "cold"])
def test_where_nobody_listens_nothing_is_served(kind: str) -> None:
    port = free_port()
    store: BlockStore = HotStore(f"redis://127.0.0.1:{port}/0")
    if kind == "cold":
        store = ColdStore(Bucket("b", "", f"http://127.0.0.1:{port}"), OWN)
    fails(TierUnavailable, store.check, f"127.0.0.1:{port}", "does not serve")


def test_a_url_that_is_none_is_told_without_its_password() -> None:
    fails(TierMisconfigured, HotStore("http://:wrong-secret@host:1/0").check, "http://host:1/0", "redis://HOST")


def in_child(act: Callable[[], object], prepare: Callable[[], object]) -> tuple[str, str]:
    """Name and message of the error that an act ends with in a process of its own."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def run() -> None:
        prepare()
        try:
            act()
            sender.send(("none", ""))
        except TierError as error:
            sender.send((error.reason, str(error)))

    process = context.Process(target=run)
    process.start()
    assert receiver.poll(30)
    found: tuple[str, str] = receiver.recv()
    process.join()
    return found


def test_a_disk_that_is_full_says_so_and_keeps_nothing(tmp_path: Path) -> None:
    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB))

    store = WarmStore(str(tmp_path))
    reason, said = in_child(lambda: store.write("job/a", [b"x" * 600_000, b"y" * 600_000]), limited)
    assert reason == "TierFull"
    assert "make room" in said
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert in_child(lambda: store.write("job/a", [b"x" * 600_000]), limited)[0] == "none"


def test_a_folder_of_another_user_is_denied(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)

    def nobody() -> None:
        if os.getuid() == 0:
            os.setuid(65534)

    reason, said = in_child(WarmStore(str(tmp_path)).check, nobody)
    assert reason == "TierDenied", said
    assert "the user that Spark runs as" in said


def test_a_path_that_does_not_exist_or_is_no_folder(tmp_path: Path) -> None:
    fails(TierMisconfigured, WarmStore(str(tmp_path / "gone")).check, str(tmp_path / "gone"), "make the folder")
    (tmp_path / "file").write_text("")
    fails(TierMisconfigured, WarmStore(str(tmp_path / "file")).check, "needs a folder")
    fails(TierMisconfigured, lambda: list(WarmStore(str(tmp_path / "gone")).list("")), "does not exist")


def test_a_bucket_that_does_not_exist(cold: Server) -> None:
    store = ColdStore(bucket_of(cold, "nowhere"), OWN)
    fails(TierMisconfigured, store.check, "s3://nowhere/failures/", "create the bucket")
    fails(TierMisconfigured, lambda: store.read([Range("a", 0, 1)]), "create the bucket")


@pytest.mark.parametrize("given", [Credentials(KEY, "wrong-secret"), Credentials("nobody", SECRET)])
def test_s3_credentials_that_are_refused(cold: Server, given: Credentials) -> None:
    fails(TierDenied, ColdStore(bucket_of(cold), given).check, "refuses the credentials")


def test_s3_without_any_credentials(cold: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    fails(TierDenied, ColdStore(bucket_of(cold)).check, "no credentials")


def test_an_s3_store_that_is_killed(tmp_path: Path) -> None:
    with s3_server(tmp_path) as server:
        store = ColdStore(bucket_of(server), OWN)
        store.write("a", [b"x"])
    fails(TierUnavailable, lambda: store.write("b", [b"x"]), "does not serve")
    fails(TierUnavailable, lambda: store.read([Range("a", 0, 1), Range("b", 0, 1)]), "does not serve")


@pytest.fixture
def archiving() -> Iterator[ArchivingServer]:
    with archiving_server() as server:
        yield server


def test_an_s3_store_that_is_full(archiving: ArchivingServer) -> None:
    archiving.refuse = (507, "XMinioStorageFull")
    store = ColdStore(Bucket("b", "", archiving.endpoint), OWN)
    fails(TierFull, lambda: store.write("a", [b"x"]), "has no room", "XMinioStorageFull")


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_an_archived_block_is_not_read_before_it_was_restored(archiving: ArchivingServer, storage_class: str) -> None:
    store = ArchiveStore(Bucket("b", "p/", archiving.endpoint), OWN, storage_class=storage_class)
    assert not store.reads_at_once
    store.check()
    assert archiving.asked == [], "a check restores nothing"
    store.write("a", [b"content"])
    assert archiving.objects == {"/b/p/a": (b"content", storage_class)}
    for _ in range(2):
        fails(BlockArchived, lambda: store.read([Range("a", 0, 7), Range("a", 2, 2)]), "must be restored")
    assert archiving.asked == ["/b/p/a"], "the restore is asked for once"
    other = ArchiveStore(Bucket("b", "p/", archiving.endpoint), OWN, storage_class=storage_class)
    fails(BlockArchived, lambda: other.read([Range("a", 0, 7)]), "must be restored")  # it goes on already
    archiving.finish()
    assert store.read([Range("a", 0, 7), Range("a", 2, 2)]) == [b"content", b"nt"]
    fails(BlockMissing, lambda: store.read([Range("gone", 0, 1)]))


def test_instant_retrieval_is_read_at_once(archiving: ArchivingServer) -> None:
    store = ArchiveStore(Bucket("b", "", archiving.endpoint), OWN)
    assert store.reads_at_once
    store.check()
    store.write("a", [b"content"])
    assert archiving.objects["/b/a"] == (b"content", "GLACIER_IR")
    assert store.read([Range("a", 1, 3)]) == [b"ont"]
    assert archiving.asked == []


def test_a_server_that_serves_while_a_restore_goes_on_is_not_believed(archiving: ArchivingServer) -> None:
    store = ArchiveStore(Bucket("b", "", archiving.endpoint), OWN, storage_class="GLACIER")
    store.write("a", [b"content"])
    archiving.restores["/b/a"] = "serves"
    fails(BlockArchived, lambda: store.read([Range("a", 0, 7)]), "is being restored")


def test_seaweedfs_keeps_the_class_and_reads_all_the_same(cold: Server) -> None:
    store = ArchiveStore(bucket_of(cold), OWN, storage_class="DEEP_ARCHIVE")
    store.check()
    store.write("archived", [b"content"])
    (found,) = store._open().client.list_objects_v2(Bucket="shuffle", Prefix="failures/archived")["Contents"]
    assert found["StorageClass"] == "DEEP_ARCHIVE"
    assert store.read([Range("archived", 0, 7)]) == [b"content"]
