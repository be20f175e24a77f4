"""The store: restarts, damaged files, history."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkiot_sim.devcluster.errors import ApiError, ClusterDataError
from sparkiot_sim.devcluster.identity import Identity
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
    return Store(folder, first_revision=1)


steps = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9) | st.none()), max_size=30)


@given(steps)
def test_a_restart_gives_the_same_objects_and_revision(changes: list[tuple[str, int | None]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = opened(Path(folder))
        for name, value in changes:
            if value is not None:
                store.put(STORAGE, configmap(name, value))
            elif store.get(STORAGE, ("d", name)):
                store.remove(STORAGE, ("d", name))
        store.close()
        again = opened(Path(folder))
        assert contents(again) == contents(store)
        assert again.revision == store.revision
        again.close()


def test_damage_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "objects.sqlite").write_bytes(b"garbage" * 1000)
    with pytest.raises(ClusterDataError, match=r"objects\.sqlite: file is not a database; repair it"):
        opened(tmp_path)


def test_two_servers_do_not_share_a_folder(tmp_path: Path) -> None:
    store = opened(tmp_path)
    with pytest.raises(ClusterDataError, match="in use by another embedded cluster"):
        opened(tmp_path)
    store.close()


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ClusterDataError, match=r"cannot use .*file/objects\.sqlite"):
        opened(tmp_path / "file")


def test_identity_survives_and_damage_is_named(tmp_path: Path) -> None:
    first = Identity.load_or_create(tmp_path)
    assert Identity.load_or_create(tmp_path) == first
    assert Identity.load_or_create(None).token != first.token
    path = tmp_path / "identity.json"
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("x")
    with pytest.raises(ClusterDataError, match=r"identity\.json"):
        Identity.load_or_create(tmp_path)


def test_history_is_bounded_and_says_so() -> None:
    store = Store(None, first_revision=100, history=3)
    for value in range(5):
        store.put(STORAGE, configmap("a", value))
    assert [change.revision for change in store.changes(102, STORAGE)] == [103, 104, 105]
    assert store.changes(102, "/pods") == []
    for unreachable in (101, 106):
        with pytest.raises(ApiError, match="too old resource version") as raised:
            store.changes(unreachable)
        assert raised.value.code == 410


async def test_who_waits_is_woken_by_a_change() -> None:
    store = Store(None, first_revision=1)
    waiting = asyncio.create_task(store.wait())
    await asyncio.sleep(0)
    store.put(STORAGE, configmap("a"))
    await asyncio.wait_for(waiting, 10)
