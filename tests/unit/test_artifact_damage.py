"""Whatever happens to an artifact's bytes, loading it either fails as ArtifactError or gives the very same artifact."""

import gzip
import io
import random
import tarfile
import zipfile
from pathlib import Path

import pytest
from support_policies import policy_artifact

from sparkiot_policies.archive import MAX_MEMBERS, MAX_TAR
from sparkiot_policies.artifact import MAX_GRAPH, MAX_MANIFEST, load_artifact
from sparkiot_policies.errors import ArtifactError
from sparkiot_policies.manifest import GRAPH_FILE, MANIFEST_FILE

FILES = (MANIFEST_FILE, GRAPH_FILE)


def pack(folder: Path, form: str) -> bytes:
    buffer = io.BytesIO()
    if form == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as z:
            for name in FILES:
                z.write(folder / name, name)
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz" if form == "tar.gz" else "w") as t:
            for name in FILES:
                t.add(folder / name, name)
    return buffer.getvalue()


def damage(whole: bytes, chance: random.Random) -> bytes:
    data = bytearray(whole)
    for _ in range(chance.choice((1, 1, 8))):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data[: len(data) if chance.random() < 0.7 else chance.randrange(len(data))])


@pytest.mark.parametrize("form", ["zip", "tar", "tar.gz"])
def test_damaged_archives(tmp_path: Path, form: str) -> None:
    expected = policy_artifact(tmp_path / "a").manifest.digest
    whole = pack(tmp_path / "a", form)
    path = tmp_path / f"damaged.{form}"
    chance = random.Random(form)
    reasons = []
    for _ in range(300):
        path.write_bytes(damage(whole, chance))
        try:
            assert load_artifact(path).manifest.digest == expected
        except ArtifactError as e:
            reasons.append(str(e))
    assert len(reasons) > 150
    assert all(reason.startswith(str(path)) for reason in reasons)


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_of_a_folder(tmp_path: Path, name: str) -> None:
    expected = policy_artifact(tmp_path / "a").manifest.digest
    whole = (tmp_path / "a" / name).read_bytes()
    chance = random.Random(name)
    refused = 0
    for _ in range(300):
        (tmp_path / "a" / name).write_bytes(damage(whole, chance))
        try:
            assert load_artifact(tmp_path / "a").manifest.digest == expected
        except ArtifactError:
            refused += 1
    assert refused > 200


def test_members_that_climb_out_of_the_archive_are_refused(tmp_path: Path) -> None:
    policy_artifact(tmp_path / "a")
    for name in ("../evil", "/etc/evil", "a/../../evil", "..\\evil"):
        path = tmp_path / "climbs.zip"
        path.write_bytes(pack(tmp_path / "a", "zip"))
        with zipfile.ZipFile(path, "a") as z:
            z.writestr(name, "x")
        with pytest.raises(ArtifactError, match="points outside of the archive"):
            load_artifact(path)


def test_bombs_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "big.zip", "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr(MANIFEST_FILE, b" " * (MAX_MANIFEST + 1))
        z.writestr(GRAPH_FILE, b"\0" * (MAX_GRAPH + 1))
    with pytest.raises(ArtifactError, match=r"manifest\.json is larger than 1 MiB"):
        load_artifact(tmp_path / "big.zip")
    with gzip.open(tmp_path / "big.tar.gz", "wb") as file:
        file.write(b"\0" * (MAX_TAR + 1))
    with pytest.raises(ArtifactError, match="unpacked is larger than 64 MiB"):
        load_artifact(tmp_path / "big.tar.gz")
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as z:
        for i in range(MAX_MEMBERS + 1):
            z.writestr(str(i), "")
    with pytest.raises(ArtifactError, match="65 members"):
        load_artifact(tmp_path / "many.zip")


def test_a_link_in_a_tar_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("{}")
    with tarfile.open(tmp_path / "link.tar", "w") as t:
        link = tarfile.TarInfo(MANIFEST_FILE)
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret")
        t.addfile(link)
    with pytest.raises(ArtifactError, match=r"manifest\.json is missing"):
        load_artifact(tmp_path / "link.tar")
