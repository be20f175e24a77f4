"""What a written artifact says, what pins it, and every way in which it can be wrong."""

import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support_policies import policy_artifact, random_artifact, random_mlp

from sparkiot_policies.artifact import load_artifact, update_scores, write_artifact
from sparkiot_policies.errors import ArtifactError
from sparkiot_policies.features import Feature
from sparkiot_policies.manifest import GRAPH_FILE, MANIFEST_FILE, Range, digest, seal, to_json


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Edit a manifest by hand, without sealing it."""
    content = json.loads((folder / MANIFEST_FILE).read_text())
    change(content)
    (folder / MANIFEST_FILE).write_text(json.dumps(content))


@pytest.mark.parametrize("kind", ["ppo", "td3"])
def test_a_folder_round_trips(tmp_path: Path, kind: Any) -> None:
    manifest = random_artifact(tmp_path / "a", kind).manifest
    again = load_artifact(tmp_path / "a", manifest.digest)
    assert again.manifest == manifest
    assert manifest.files[GRAPH_FILE] == digest((tmp_path / "a" / GRAPH_FILE).read_bytes())


def test_the_same_content_has_the_same_digest_and_other_content_another(tmp_path: Path) -> None:
    first = policy_artifact(tmp_path / "a", seed=1).manifest.digest
    assert policy_artifact(tmp_path / "b", seed=1).manifest.digest == first
    assert policy_artifact(tmp_path / "c", seed=2).manifest.digest != first
    assert policy_artifact(tmp_path / "d", seed=1, ranges={"cpu": Range(high=100)}).manifest.digest != first


@pytest.mark.parametrize("inside", ["", "policy/", "./"])
@pytest.mark.parametrize("form", ["zip", "tar", "tar.gz"])
def test_archives_load_like_their_folder(tmp_path: Path, form: str, inside: str) -> None:
    manifest = policy_artifact(tmp_path / "a").manifest
    archive = tmp_path / f"a.{form}"
    if form == "zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as z:
            for name in (MANIFEST_FILE, GRAPH_FILE):
                z.write(tmp_path / "a" / name, inside + name)
    else:
        with tarfile.open(archive, "w:gz" if form == "tar.gz" else "w") as t:
            for name in (MANIFEST_FILE, GRAPH_FILE):
                t.add(tmp_path / "a" / name, inside + name)
    assert load_artifact(archive, manifest.digest).manifest == manifest


def test_update_scores_keeps_the_rest_and_changes_the_digest(tmp_path: Path) -> None:
    before = policy_artifact(tmp_path / "a", ranges={"cpu": Range(low=0, high=100)}).manifest
    after = update_scores(tmp_path / "a", {"thesis": {"violations": 0.004, "cost": 2810}})
    assert after.digest != before.digest
    assert load_artifact(tmp_path / "a", after.digest).manifest.scores == {
        "thesis": {"violations": 0.004, "cost": 2810}
    }
    assert after.model_copy(update={"scores": {}, "digest": before.digest}) == before


def test_writing_what_does_not_fit_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="13 and 35 are needed"):
        write_artifact(tmp_path / "a", name="x", kind="ppo", weights=random_mlp(5, 35))
    with pytest.raises(ValueError, match="name"):
        write_artifact(tmp_path / "a", name="../x", kind="ppo", weights=random_mlp(13, 35))
    with pytest.raises(ValueError, match="unknown elements: colour"):
        write_artifact(tmp_path / "a", name="x", kind="ppo", weights=random_mlp(13, 35), ranges={"colour": Range()})
    with pytest.raises(ValueError, match="JSON"):
        write_artifact(tmp_path / "a", name="x", kind="ppo", weights=random_mlp(13, 35), scores={"p95": float("nan")})
    assert not (tmp_path / "a").exists()


def _corrupt_graph(folder: Path) -> None:
    data = bytearray((folder / GRAPH_FILE).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / GRAPH_FILE).write_bytes(data)


def _truncate_graph(folder: Path) -> None:
    (folder / GRAPH_FILE).write_bytes((folder / GRAPH_FILE).read_bytes()[:-100])


def _truncate_manifest(folder: Path) -> None:
    (folder / MANIFEST_FILE).write_bytes((folder / MANIFEST_FILE).read_bytes()[:-100])


def _edit_name(folder: Path) -> None:
    rewrite(folder, lambda m: m.update(name="other"))


def _unknown_schema(folder: Path) -> None:
    rewrite(folder, lambda m: m.update(observation_schema=9))


def _unknown_version(folder: Path) -> None:
    rewrite(folder, lambda m: m.update(manifest_version=2))


def _unknown_field(folder: Path) -> None:
    rewrite(folder, lambda m: m.update(hook="os.system"))


def _other_actions(folder: Path) -> None:
    rewrite(folder, lambda m: m.update(action_sizes=[20, 8, 4]))


def _nested(folder: Path) -> None:
    (folder / MANIFEST_FILE).write_text("[" * 100_000)


def _graph_of_another_kind(folder: Path) -> None:
    manifest = load_artifact(folder).manifest
    random_artifact(folder, "td3")
    data = (folder / GRAPH_FILE).read_bytes()
    content = manifest.model_dump(mode="json", exclude={"digest"}) | {"files": {GRAPH_FILE: digest(data)}}
    (folder / MANIFEST_FILE).write_text(to_json(seal(content)))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_corrupt_graph, r"policy\.onnx is sha256:.*the manifest says sha256:"),
        (_truncate_graph, r"policy\.onnx is sha256:"),
        (_truncate_manifest, r"manifest\.json is not valid"),
        (_edit_name, r"manifest\.json was altered"),
        (_unknown_schema, r"manifest\.json is not valid: observation_schema: Input should be 1, 2 or 3"),
        (_unknown_version, r"manifest_version: Input should be 1"),
        (_unknown_field, r"hook: Extra inputs"),
        (_other_actions, r"action_sizes are \[20, 8, 4\]"),
        (_nested, r"manifest\.json is not valid"),
        (_graph_of_another_kind, r"policy\.onnx: inputs are"),
        (lambda f: (f / GRAPH_FILE).unlink(), r"policy\.onnx is missing"),
        (lambda f: (f / MANIFEST_FILE).unlink(), r"manifest\.json is missing"),
        (shutil.rmtree, "no such file or folder"),
    ],
)
def test_damage_is_named(tmp_path: Path, damage: Callable[[Path], None], reason: str) -> None:
    folder = tmp_path / "artifact"
    policy_artifact(folder)
    damage(folder)
    with pytest.raises(ArtifactError, match=reason) as error:
        load_artifact(folder)
    assert str(folder) in str(error.value)


def test_another_digest_than_expected_is_refused(tmp_path: Path) -> None:
    policy_artifact(tmp_path / "a")
    with pytest.raises(ArtifactError, match=f"expected {digest(b'')}"):
        load_artifact(tmp_path / "a", digest(b""))


def test_features_are_part_of_the_artifact(tmp_path: Path) -> None:
    features = (Feature(element="cpu", scale=0.01), Feature(element="latency", transform="log1p", scale=0.1))
    manifest = policy_artifact(tmp_path / "a", features=features).manifest
    assert load_artifact(tmp_path / "a").manifest.features == features
    assert manifest.inputs.used == ("cpu", "latency")
