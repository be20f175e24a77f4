"""A landing prefix in a real S3 store, written by the gateway's own sink: listed, read, and what is said of faults."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import boto3
import pytest
from support_sources import HOUR, Gateway
from support_tiers import BUCKET, s3_server

from sparkiot_driver.sources import places
from sparkiot_driver.sources.landing import Landing, partition, rows
from sparkiot_driver.sources.places import Bucket, Folder, LandingError
from sparkiot_edge.forwarding.sinks.s3 import S3Prefix


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    folder = tmp_path_factory.mktemp("s3")
    with s3_server(folder) as server:
        endpoint = server.address.rpartition("/")[0]
        yield {**server.environment, "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1"}


@pytest.fixture(autouse=True)
def place(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(places, "_ATTEMPTS", 1)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return f"s3://{BUCKET}/iot"


def test_what_a_gateway_let_land_is_listed_read_and_bounded(place: str, tmp_path: Path) -> None:
    gateway = Gateway("g1", tmp_path, S3Prefix(place))
    for hour in range(3):
        gateway.send(5, at=HOUR + 3600 * hour)
    gateway.deliver()
    client = boto3.client("s3")
    for beside in ("iot/README", "iot/date=2026-01-05/hour=00/_SUCCESS", "iot2/date=2026-01-05/hour=00/x.jsonl"):
        client.put_object(Bucket=BUCKET, Key=beside, Body=b"not a message")
    bucket = Bucket(place)
    assert len(list(bucket.files(""))) == 3
    assert [each.path[:23] for each in bucket.files(partition(HOUR + 3600))] == [
        "date=2026-01-05/hour=01",
        "date=2026-01-05/hour=02",
    ]
    landing = Landing(bucket, wall=lambda: HOUR + 9999, steady=lambda: 0.0)
    first = landing.end({}, 1)
    second = landing.end(first, None)
    found = [
        [row[0] for file in landing.files(start, end) for row in rows(bucket, file.key)]
        for start, end in (({}, first), (first, second))
    ]
    assert found == [gateway.sent[:5], gateway.sent[5:]]


def test_what_is_wrong_is_said_without_the_key(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LandingError, match="s3://nowhere/ cannot be listed: NoSuchBucket; check bucket"):
        list(Bucket("s3://nowhere").files(""))
    with pytest.raises(LandingError, match=r"cannot be read \(date=x/hour=y/z\): NoSuchKey"):
        list(Bucket(place).lines("date=x/hour=y/z"))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps the key that it found first
    with pytest.raises(LandingError, match="cannot be listed: SignatureDoesNotMatch; check bucket, region") as told:
        list(Bucket(place).files(""))
    assert "hunter2" not in str(told.value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(LandingError, match="cannot be listed: EndpointConnectionError; see that it runs"):
        list(Bucket(place).files(""))


def test_a_folder_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LandingError, match="cannot be listed: Not a directory"):
        list(Folder(str(tmp_path / "file")).files(""))
    with pytest.raises(LandingError, match=r"cannot be read: No such file.*driver and executors must see the folder"):
        list(Folder(str(tmp_path)).lines("date=x/hour=y/z"))
