"""Options of the sources: strict, and never a secret."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from sparkiot_driver.sources import SourceNotSupported, SourceOptionError, options, register
from sparkiot_driver.sources.places import Bucket, Folder, LandingError, open_place


def test_what_is_not_said_has_a_default_and_case_does_not_count() -> None:
    assert options.landing({"path": "file:///mnt/landing"}) == options.LandingOptions("/mnt/landing", 64 << 20, 8)
    found = options.kafka({"path": "iot-data", "servers": "k:9092", "maxrowsperbatch": "7", "STARTINGTIMESTAMP": "5"})
    assert found == options.KafkaOptions("k:9092", "iot-data", 7, None, 5)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"path": "t"}, "servers is missing: state option servers"),
        ({"servers": "k:1"}, "path is missing: give load"),
        ({"path": "t", "servers": "k:1", "maxRowsPerBatch": "0"}, "option maxRowsPerBatch must be a whole number"),
        ({"path": "t", "servers": "k:1", "sasl.password": "hunter2"}, "unknown option sasl.password: .*propertiesFile"),
    ],
)
def test_what_is_wrong_is_said_without_values(given: dict[str, str], said: str) -> None:
    with pytest.raises(SourceOptionError, match=said) as told:
        options.kafka(given)
    assert "hunter2" not in str(told.value)


def test_a_file_of_properties(tmp_path: Path) -> None:
    file = tmp_path / "kafka.properties"
    file.write_text("# who we are\nsasl.username = spark\nsasl.password=a=b\n\n")
    assert options.read_properties(str(file)) == {"sasl.username": "spark", "sasl.password": "a=b"}
    file.write_text("sasl.password hunter2\n")
    with pytest.raises(SourceOptionError, match=r"kafka.properties:1: expected NAME=VALUE") as told:
        options.read_properties(str(file))
    assert "hunter2" not in str(told.value)
    with pytest.raises(SourceOptionError, match="driver and executors need it"):
        options.read_properties(str(tmp_path / "absent"))


def test_places() -> None:
    assert isinstance(open_place("/mnt/landing"), Folder)
    assert isinstance(open_place("s3a://bucket/prefix"), Bucket)
    assert str(open_place("s3://bucket/a/b/")) == "s3://bucket/a/b/"
    for wrong in ("hdfs://name/landing", "s3://", "s3://key:secret@bucket/prefix"):
        with pytest.raises(LandingError) as told:
            open_place(wrong)
        assert "secret" not in str(told.value)


@pytest.mark.parametrize("version", ["3.5.9", "4.1.2"])
def test_an_older_spark_is_told_what_to_use(version: str) -> None:
    with pytest.raises(SourceNotSupported, match=rf"Spark 4.2 or later, and this is {version}: .*spark-sql-kafka-0-10"):
        register(SimpleNamespace(version=version))


def test_an_image_without_arrow_is_told_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(SourceNotSupported, match="pip install pyarrow`"):
        register(SimpleNamespace(version="4.2.1"))
