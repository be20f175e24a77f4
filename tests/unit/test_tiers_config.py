"""Which tiers a job has: the document, what is wrong with one, and where its credentials come from."""

import json
import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkiot_tiers.archive import CLASSES, ArchiveStore
from sparkiot_tiers.cold import Bucket, ColdStore, Credentials
from sparkiot_tiers.config import (
    ArchiveConfig,
    ColdConfig,
    HotConfig,
    InvalidTiers,
    S3Secrets,
    Secret,
    TierConfig,
    WarmConfig,
    open_store,
    parse,
    render,
)
from sparkiot_tiers.errors import TierDenied, TierError, TierMisconfigured
from sparkiot_tiers.hot import HotStore
from sparkiot_tiers.names import Piece, block_of, first_name, later_name, pattern, pieces
from sparkiot_tiers.store import Range
from sparkiot_tiers.warm import WarmStore

DOCUMENT = {
    "tiers": [
        {"tier": "Archive", "bucket": "shuffle", "storageClass": "DEEP_ARCHIVE"},
        {"tier": "Hot", "url": {"env": "REDIS"}, "ceilingBytes": 1000, "timeoutSeconds": 2.5},
        {"tier": "Warm", "path": "/mnt/nvme"},
        {
            "tier": "Cold",
            "bucket": "shuffle",
            "prefix": "jobs/",
            "endpoint": "http://s3:8333",
            "region": "eu-west-1",
            "credentials": {"accessKeyId": {"env": "ID"}, "secretAccessKey": {"file": "/run/secret"}},
        },
    ]
}


def test_a_document_names_tiers_from_the_fastest_on() -> None:
    assert parse(DOCUMENT) == (
        HotConfig(Secret(env="REDIS"), ttl_seconds=3600, ceiling_bytes=1000, timeout_seconds=2.5),
        WarmConfig("/mnt/nvme"),
        ColdConfig(
            Bucket("shuffle", "jobs/", "http://s3:8333", "eu-west-1"),
            S3Secrets(Secret("ID"), Secret(file="/run/secret")),
        ),
        ArchiveConfig(Bucket("shuffle"), storage_class="DEEP_ARCHIVE"),
    )
    assert parse({"tiers": []}) == ()


names = st.text("abcdefgh", min_size=1)
secrets = names.map(lambda name: Secret(env=name)) | names.map(lambda name: Secret(file=name))
buckets = st.builds(
    Bucket, name=names, prefix=names | st.just(""), endpoint=st.none() | names, region=st.none() | names
)
own = st.none() | st.builds(S3Secrets, secrets, secrets, st.none() | secrets)
seconds = st.floats(0.1, 1e6)
ANY: list[st.SearchStrategy[TierConfig]] = [
    st.builds(HotConfig, secrets, seconds, st.none() | st.integers(1, 1 << 50), seconds),
    st.builds(WarmConfig, names.map(lambda name: "/" + name)),
    st.builds(ColdConfig, buckets, own, seconds),
    st.builds(ArchiveConfig, buckets, own, st.sampled_from(CLASSES), seconds),
]


@given(st.tuples(*ANY))
def test_what_is_written_is_read_again(configs: tuple[TierConfig, ...]) -> None:
    assert parse(json.loads(json.dumps(render(configs)))) == configs
    assert pickle.loads(pickle.dumps(configs)) == configs


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "the document must be an object"),
        ({"tiers": {}}, "the document.tiers must be an array"),
        ({"tiers": [{"tier": "Lukewarm"}]}, r"tiers\[0\].tier is 'Lukewarm'; it must be one of Hot, Warm"),
        ({"tiers": [{"tier": "Warm", "path": "mnt"}]}, r"tiers\[0\].path is 'mnt'; it must be absolute"),
        ({"tiers": [{"tier": "Warm", "path": "/a"}, {"tier": "Warm", "path": "/b"}]}, r"tiers\[1\]: .* twice"),
        ({"tiers": [{"tier": "Warm", "path": "/a", "size": 1}]}, r"tiers\[0\] has unknown fields: size"),
        ({"tiers": [{"tier": "Hot"}]}, r"tiers\[0\].url must be an object"),
        ({"tiers": [{"tier": "Hot", "url": "redis://:secret@host"}]}, r"tiers\[0\].url must be an object"),
        ({"tiers": [{"tier": "Hot", "url": {}}]}, "must hold either env or file"),
        ({"tiers": [{"tier": "Hot", "url": {"env": "A", "file": "B"}}]}, "must hold either env or file"),
        ({"tiers": [{"tier": "Hot", "url": {"env": "A"}, "ttlSeconds": "1h"}]}, "ttlSeconds must be a number above 0"),
        ({"tiers": [{"tier": "Hot", "url": {"env": "A"}, "ttlSeconds": 0}]}, "ttlSeconds must be a number above 0"),
        (
            {"tiers": [{"tier": "Hot", "url": {"env": "A"}, "ceilingBytes": -1}]},
            "ceilingBytes must be a number above 0",
        ),
        ({"tiers": [{"tier": "Cold"}]}, r"tiers\[0\].bucket must be a text"),
        ({"tiers": [{"tier": "Archive", "bucket": "b", "storageClass": "STANDARD"}]}, "must be one of GLACIER_IR"),
    ],
)
def test_what_is_wrong_is_named(document: Any, said: str) -> None:
    with pytest.raises(InvalidTiers, match=said) as caught:
        parse(document)
    assert "secret" not in str(caught.value)


def test_each_tier_opens_its_own_store(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3-secret\n")
    hot, warm, cold, archive = (
        open_store(config, {"REDIS": "redis://:pass@host:1/0", "ID": "id"})
        for config in parse(json.loads(json.dumps(DOCUMENT).replace("/run/secret", str(secret))))
    )
    assert isinstance(hot, HotStore)
    assert (hot._redis._url, hot._redis.where) == ("redis://:pass@host:1/0", "redis://host:1/0")
    assert isinstance(warm, WarmStore)
    assert isinstance(cold, ColdStore)
    assert not isinstance(cold, ArchiveStore)
    assert cold._credentials == Credentials("id", "s3-secret", None)
    assert isinstance(archive, ArchiveStore)
    assert not archive.reads_at_once
    assert archive._credentials is None
    assert [store.tier for store in (hot, warm, cold, archive)] == ["Hot", "Warm", "Cold", "Archive"]


@pytest.mark.parametrize("where", [Secret(env="NOT_SET"), Secret(env="EMPTY"), Secret(file="/not/there")])
def test_a_credential_that_is_not_there_is_denied_and_named(where: Secret) -> None:
    with pytest.raises(TierDenied, match="holds no credential for tier Hot") as caught:
        open_store(HotConfig(where), {"EMPTY": ""})
    assert (where.env or where.file or "") in str(caught.value)


def test_a_range_of_a_large_block_lies_in_several_parts() -> None:
    # Parts of 10 bytes: [8, 27) is the last two of part 0, all of part 1, and seven of part 2.
    assert pieces(Range("a/b", 8, 19), 10) == [
        Piece("sparkiot:{a/b}", 0, 8, 2),
        Piece("sparkiot:{a/b}:1", 1, 0, 10),
        Piece("sparkiot:{a/b}:2", 2, 0, 7),
    ]
    assert pieces(Range("a", 10, 10), 10) == [Piece("sparkiot:{a}:1", 1, 0, 10)]


def test_names_lead_back_to_their_block() -> None:
    assert [block_of(later_name(first_name("a/b"), part)) for part in (0, 1, 12)] == ["a/b"] * 3
    assert pattern("a*[/") == "sparkiot:{a\\*\\[/*"


@pytest.mark.parametrize("endpoint", ["http://bad host:1", "http://:::", "http://[::1", "http://x:99999999"])
def test_an_endpoint_that_is_no_url_is_a_fault_of_the_tier(endpoint: str) -> None:
    """The resource's pattern lets some of them through, and boto3's error for them is none of its own kind."""
    store = ColdStore(Bucket("shuffle", endpoint=endpoint), Credentials("id", "key"))
    with pytest.raises(TierError, match="shuffle"):
        store.check()


def test_an_option_that_redis_does_not_know_is_a_fault_of_the_tier() -> None:
    with pytest.raises(TierMisconfigured, match="options that redis-py knows"):
        HotStore("redis://127.0.0.1:1/0?colour=red").check()


@pytest.mark.parametrize("password", ["p/ss", "12/ss", "pa#ss", "12#ss", "pa?ss", "12?ss"])
def test_no_part_of_a_password_is_shown_that_breaks_its_url(password: str) -> None:
    """Where it is not written as %XX, a part of it looks like the port or the path."""
    with pytest.raises(TierMisconfigured) as caught:
        HotStore(f"redis://:{password}@redis.invalid:6379/0", timeout_seconds=0.1).check()
    told = "".join(traceback.format_exception(caught.value))
    assert "a URL that cannot be read" in told
    assert not any(part in told.replace("password", "") for part in ("ss@", "'p", "'12", ":12"))
