"""The store and its journal: replay, torn and damaged files, history, subscriptions."""

import logging
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkiot_sim.devcluster.errors import ApiError, ClusterDataError
from sparkiot_sim.devcluster.identity import Identity
from sparkiot_sim.devcluster.journal import Journal
from sparkiot_sim.devcluster.store import Store

Obj = dict[str, Any]
STORAGE = "/configmaps"


def configmap(name: str, value: int = 0) -> Obj:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "d", "uid": name},
        "v": value,
    }


def contents(store: Store) -> list[Obj]:
    return [record.load() for record in store.records(STORAGE)]


def opened(folder: Path) -> Store:
    return Store(journal=Journal(folder), first_revision=1)


steps = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9) | st.none()), max_size=30)


@given(steps, st.booleans())
def test_a_restart_gives_the_same_objects_and_revision(changes: list[tuple[str, int | None]], compacted: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = opened(Path(folder))
        for name, value in changes:
            if value is not None:
                store.put(STORAGE, configmap(name, value))
            elif store.get(STORAGE, ("d", name)):
                store.remove(STORAGE, ("d", name))
        if compacted and store._journal:
            living = [(STORAGE, record.raw) for record in store.records(STORAGE)]
            store._journal.compact(store.revision, living)
        store.close()
        again = opened(Path(folder))
        assert contents(again) == contents(store)
        assert again.revision == store.revision
        again.close()


def test_compaction_happens_by_itself_and_loses_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for value in range(12_000):
        store.put(STORAGE, configmap("a", value))
    assert len((tmp_path / "objects.jsonl").read_bytes().splitlines()) < 12_000
    store.close()
    again = opened(tmp_path)
    assert [obj["v"] for obj in contents(again)] == [11_999]
    again.close()


@given(st.integers(1, 200))
def test_a_torn_last_line_costs_only_that_line(cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "objects.jsonl"
        store = opened(Path(folder))
        store.put(STORAGE, configmap("a", 1))
        kept = path.stat().st_size
        store.put(STORAGE, configmap("b", 2))
        store.close()
        content = path.read_bytes()
        path.write_bytes(content[: max(kept, len(content) - cut)])
        again = opened(Path(folder))
        assert [obj["metadata"]["name"] for obj in contents(again)] == ["a"]
        again.put(STORAGE, configmap("c", 3))
        again.close()
        last = opened(Path(folder))
        assert [obj["metadata"]["name"] for obj in contents(last)] == ["a", "c"]
        last.close()


def test_a_torn_line_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    opened(tmp_path).close()
    with (tmp_path / "objects.jsonl").open("ab") as file:
        file.write(b'{"revision":')
    with caplog.at_level(logging.WARNING):
        opened(tmp_path).close()
    assert "objects.jsonl: the last line was cut off (12 bytes)" in caplog.text


@pytest.mark.parametrize("line", [b"garbage", b"{}", b"[1]", b'{"revision":3,"storage":"/x","deleted":["d","a"]}'])
def test_damage_names_file_and_line(tmp_path: Path, line: bytes) -> None:
    store = opened(tmp_path)
    store.put(STORAGE, configmap("a"))
    store.close()
    path = tmp_path / "objects.jsonl"
    path.write_bytes(path.read_bytes() + line + b"\n")
    with pytest.raises(ClusterDataError, match=r"objects\.jsonl, line 3: not a record"):
        opened(tmp_path)


def test_two_servers_do_not_share_a_folder(tmp_path: Path) -> None:
    store = opened(tmp_path)
    with pytest.raises(ClusterDataError, match="in use by another embedded cluster"):
        Journal(tmp_path)
    store.close()


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ClusterDataError, match="cannot use the data folder"):
        Journal(tmp_path / "file")


def test_identity_survives_and_damage_is_named(tmp_path: Path) -> None:
    first = Identity.load_or_create(tmp_path)
    assert Identity.load_or_create(tmp_path) == first
    assert Identity.load_or_create(None).token != first.token
    path = tmp_path / "identity.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("x")
    with pytest.raises(ClusterDataError, match=r"identity\.pem"):
        Identity.load_or_create(tmp_path)


async def test_history_is_bounded_and_says_so() -> None:
    store = Store(journal=None, first_revision=100, history=3)
    for value in range(5):
        store.put(STORAGE, configmap("a", value))
    assert [change.revision for change in store.subscribe(STORAGE, 102).pending] == [103, 104, 105]
    for unreachable in (101, 106):
        with pytest.raises(ApiError, match="too old resource version") as raised:
            store.subscribe(STORAGE, unreachable)
        assert raised.value.code == 410


async def test_a_slow_reader_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparkiot_sim.devcluster.store.SUBSCRIPTION_BACKLOG", 2)
    store = Store(journal=None, first_revision=1)
    subscription = store.subscribe(STORAGE, None)
    for value in range(3):
        store.put(STORAGE, configmap("a", value))
    assert subscription.overflowed
    assert len(subscription.pending) == 2
