"""Whether a job's tiers are looked at and cleaned up: by the operator from outside, by the driver from within.

Redis and SeaweedFS are real; secrets come from an API that holds them as Kubernetes does.
"""

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_operator import free_port
from support_spark import live_spec
from support_tiers import KEY, PASSWORD, SECRET, Server, deaf_server, redis_server, s3_server

from sparkiot_driver import tier_watch
from sparkiot_operator import tier_access
from sparkiot_operator.errors import ApiNotFoundError, ApiRefusedError
from sparkiot_operator.resource.spec import SparkIoTJobSpec
from sparkiot_operator.spark.tiers import tiers_document
from sparkiot_operator.tier_access import TierLook, TierTrouble, delete_blocks, look
from sparkiot_tiers.cold import Bucket, ColdStore, Credentials
from sparkiot_tiers.hot import HotStore
from sparkiot_tiers.store import BlockStore

Json = dict[str, Any]


class Secrets:
    """The secrets of namespace iot, as the API serves them."""

    def __init__(self, **secrets: dict[str, str]) -> None:
        self.secrets = secrets
        self.refuses = False

    async def read(self, path: str) -> Json:
        if self.refuses:
            raise ApiRefusedError(f"GET {path}: 403")
        name = path.removeprefix("/api/v1/namespaces/iot/secrets/")
        if name not in self.secrets:
            raise ApiNotFoundError(f"GET {path}: 404")
        return {"data": {key: base64.b64encode(text.encode()).decode() for key, text in self.secrets[name].items()}}


@pytest.fixture(scope="module")
def hot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


def url_of(server: Server) -> str:
    return server.address.replace("redis://", f"redis://:{PASSWORD}@")


def secret(name: str, key: str) -> Json:
    return {"secretKeyRef": {"name": name, "key": key}}


def s3(server: Server, bucket: str = "shuffle", *, own: bool = True) -> Json:
    credentials = {"accessKeyId": secret("s3", "id"), "secretAccessKey": secret("s3", "key")}
    place = {"bucket": bucket, "endpoint": server.address.rpartition("/")[0]}
    return {"s3": {**place, **({"credentialsFrom": credentials} if own else {})}}


def job(**tiers: Json) -> SparkIoTJobSpec:
    return live_spec(shuffle={"tiers": tiers})


REDIS = {"redis": {"urlFrom": secret("redis", "url"), "timeout": "200ms"}}


@pytest.fixture
def secrets(hot: Server) -> Secrets:
    return Secrets(redis={"url": url_of(hot)}, s3={"id": KEY, "key": SECRET})


async def test_tiers_that_work_give_no_trouble(secrets: Secrets, cold: Server) -> None:
    spec = job(hot=REDIS, warm={"volume": {"hostPath": "/not/on/this/node"}}, cold=s3(cold), archive=s3(cold))
    assert await look(secrets, spec, "iot") == ()


async def test_what_is_wrong_from_everywhere_is_told_at_admission(secrets: Secrets, cold: Server) -> None:
    spec = job(hot=REDIS, cold=s3(cold, "nowhere"), archive=s3(cold))
    secrets.secrets["redis"]["url"] = "http://host"
    found = await look(secrets, spec, "iot")
    assert [(trouble.tier, trouble.reason) for trouble in found] == [
        ("Hot", "TierMisconfigured"),
        ("Cold", "TierMisconfigured"),
    ]
    assert "s3://nowhere/" in found[1].message


async def test_refused_credentials_and_missing_secrets_are_told(secrets: Secrets, hot: Server, cold: Server) -> None:
    secrets.secrets = {"redis": {"url": hot.address}, "s3": {"id": KEY, "key": "wrong"}}
    found = await look(secrets, job(hot=REDIS, cold=s3(cold)), "iot")
    assert [(trouble.tier, trouble.reason) for trouble in found] == [("Hot", "TierDenied"), ("Cold", "TierDenied")]
    secrets.secrets = {"s3": {"id": KEY}}
    found = await look(secrets, job(hot=REDIS, cold=s3(cold)), "iot")
    assert found == (
        TierTrouble("Hot", "TierDenied", "secret redis is not there; create it, or correct its name"),
        TierTrouble("Cold", "TierDenied", "secret s3 has no key key; add it, or correct its name"),
    )


async def test_that_the_operator_cannot_reach_a_server_says_nothing_about_the_pods(secrets: Secrets) -> None:
    with deaf_server() as port:
        for url in (f"redis://127.0.0.1:{port}/0", f"redis://127.0.0.1:{free_port()}/0"):
            secrets.secrets["redis"]["url"] = url
            assert await look(secrets, job(hot=REDIS), "iot") == ()
    secrets.refuses = True
    assert await look(secrets, job(hot=REDIS), "iot") == (), "an operator that may not read secrets"


async def test_a_client_that_raises_what_nobody_expects_ends_neither_look_nor_deletion(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> BlockStore:
        raise RuntimeError(f"cannot parse {PASSWORD}")

    monkeypatch.setattr(tier_access, "open_store", fail)
    assert await look(secrets, job(hot=REDIS), "iot") == ()
    left = await delete_blocks(secrets, job(hot=REDIS), "iot", "uid-1")
    assert left == (TierTrouble("Hot", "TierUnavailable", "the client of the tier raised RuntimeError"),)
    assert "RuntimeError" in caplog.text
    assert PASSWORD not in caplog.text


async def test_the_operators_own_identity_is_not_used_for_a_job(
    secrets: Secrets, cold: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in cold.environment.items():
        monkeypatch.setenv(name, value)
    spec = job(cold=s3(cold, "nowhere", own=False))
    assert await look(secrets, spec, "iot") == ()
    assert await delete_blocks(secrets, spec, "iot", "uid-1") == ()


async def test_a_look_goes_on_beside_the_cycles_and_is_repeated_while_something_is_wrong(secrets: Secrets) -> None:
    secrets.secrets.pop("redis")
    looking = TierLook(secrets, job(hot=REDIS), "iot")

    async def found(now: float) -> tuple[TierTrouble, ...] | None:
        for _ in range(200):
            looking.refresh(now)
            await asyncio.sleep(0.01)
            if looking._task is None:
                break
        return looking.found

    looking.refresh(0.0)
    assert looking.found is None, "a cycle does not wait for it"
    first = await found(1.0)
    assert first is not None
    assert first[0].tier == "Hot"
    secrets.secrets["redis"] = {"url": "redis://127.0.0.1:1/0"}
    assert await found(50.0) == first, "it is not due again"
    assert await found(70.0) == ()
    secrets.secrets.pop("redis")
    assert await found(700.0) == (), "what works is left to the driver"


def blocks(store: BlockStore) -> list[str]:
    return sorted(info.key for info in store.list("iot/"))


async def test_a_deleted_jobs_blocks_go_and_no_others(secrets: Secrets, hot: Server, cold: Server) -> None:
    place = Bucket("shuffle", "", cold.address.rpartition("/")[0])
    stores = (HotStore(url_of(hot)), ColdStore(place, Credentials(KEY, SECRET)))
    for store in stores:
        for key in ("iot/uid-1/r1/b7/m0", "iot/uid-1/r2/b1/m0", "iot/uid-10/r1/b7/m0"):
            store.write(key, [b"x"])
    spec = job(hot=REDIS, cold=s3(cold))
    assert await delete_blocks(secrets, spec, "iot", "uid-1") == ()
    assert [blocks(store) for store in stores] == [["iot/uid-10/r1/b7/m0"]] * 2
    assert await delete_blocks(secrets, spec, "iot", "uid-1") == (), "again, after an operator that died"
    for store in stores:
        store.delete_prefix("iot/")
        store.close()


async def test_deleting_says_what_it_could_not(secrets: Secrets, cold: Server) -> None:
    secrets.secrets["redis"]["url"] = f"redis://127.0.0.1:{free_port()}/0"
    found = await delete_blocks(secrets, job(hot=REDIS, cold=s3(cold, "nowhere")), "iot", "uid-1")
    assert [(trouble.tier, trouble.reason) for trouble in found] == [
        ("Hot", "TierUnavailable"),
        ("Cold", "TierMisconfigured"),
    ]
    secrets.refuses = True
    (found_one,) = await delete_blocks(secrets, job(hot=REDIS), "iot", "uid-1")
    assert "secret cannot be read" in str(found_one)


async def test_deleting_ends_in_time(secrets: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tier_access, "PATIENCE_S", 0.3)
    with deaf_server() as port:
        secrets.secrets["redis"]["url"] = f"redis://127.0.0.1:{port}/0"
        slow = {"redis": {"urlFrom": secret("redis", "url"), "timeout": "2s"}}
        (found,) = await delete_blocks(secrets, job(hot=slow), "iot", "uid-1")
    assert found == TierTrouble("Hot", "TierSlow", "it took longer than 0.3 s")


def checked(spec: SparkIoTJobSpec, folder: Path, **environment: str) -> list[Json]:
    """What the driver's own check prints, in a process of its own as in the pod."""
    (folder / "job.json").write_text(json.dumps({"shuffle": tiers_document(spec)}))
    done = subprocess.run(
        [sys.executable, "-m", "sparkiot_driver.tier_check", str(folder / "job.json")],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    found: list[Json] = json.loads(done.stdout)
    return found


def test_the_driver_looks_at_every_tier_with_the_jobs_own_credentials(
    hot: Server, cold: Server, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    spec = job(hot=REDIS, warm={"volume": {"hostPath": str(there)}}, cold=s3(cold), archive=s3(cold, "nowhere"))
    own = {"ACCESS_KEY_ID": KEY, "SECRET_ACCESS_KEY": SECRET}
    variables = {f"SPARKIOT_TIER_{tier}_{name}": value for tier in ("COLD", "ARCHIVE") for name, value in own.items()}
    found = checked(spec, tmp_path, SPARKIOT_TIER_HOT_URL=url_of(hot), **variables)
    assert [(tier["tier"], tier["reason"]) for tier in found] == [
        ("Hot", None),
        ("Warm", None),
        ("Cold", None),
        ("Archive", "TierMisconfigured"),
    ]
    assert list(there.iterdir()) == []
    assert PASSWORD not in json.dumps(found)


def test_the_driver_tells_a_path_that_is_not_on_its_node_and_a_variable_that_is_empty(tmp_path: Path) -> None:
    spec = job(hot=REDIS, warm={"volume": {"hostPath": str(tmp_path / "gone")}})
    found = checked(spec, tmp_path, SPARKIOT_TIER_HOT_URL="")
    assert [(tier["tier"], tier["reason"]) for tier in found] == [("Hot", "TierDenied"), ("Warm", "TierMisconfigured")]
    assert "SPARKIOT_TIER_HOT_URL" in found[0]["message"]
    assert str(tmp_path / "gone") in found[1]["message"]


def test_an_image_without_a_client_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "redis.py").write_text("raise ModuleNotFoundError(\"No module named 'redis'\", name='redis')")
    (found,) = checked(job(hot=REDIS), tmp_path, PYTHONPATH=str(tmp_path), SPARKIOT_TIER_HOT_URL="redis://host")
    assert (found["tier"], found["reason"]) == ("Hot", "MissingPackage")
    assert "no Python package redis" in found["message"]


def test_the_driver_looks_again_until_all_tiers_work(tmp_path: Path) -> None:
    warm = tmp_path / "warm"
    file = tmp_path / "job.json"
    file.write_text(json.dumps({"shuffle": tiers_document(job(warm={"volume": {"hostPath": str(warm)}}))}))
    told: list[list[Json]] = []

    def pause(_: float) -> None:
        assert len(told) == 1, "it went on after all tiers worked"
        warm.mkdir()

    tier_watch._watch(file, told.append, pause)
    assert [[tier["reason"] for tier in tiers] for tiers in told] == [["TierMisconfigured"], [None]]
    assert all(tier["time"] > 0 for tiers in told for tier in tiers)
