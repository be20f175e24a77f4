"""``sparkiot policy`` end to end: an archive in, an artifact out, and what each exit code means."""

import json
from pathlib import Path

import pytest
from support_policies import policy_artifact, random_mlp
from support_sb3 import PPO_SETTINGS, ppo_tensors, write_sb3
from typer.testing import CliRunner, Result

from sparkiot_operator.cli import app
from sparkiot_policies.artifact import load_artifact, update_scores
from sparkiot_policies.library import shipped
from sparkiot_policies.manifest import GRAPH_FILE, Range, digest


def policy(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["policy", *map(str, arguments)])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_sb3(tmp_path / "model.zip", tensors=ppo_tensors(random_mlp(13, 16, 35)), settings=PPO_SETTINGS)


def test_import_show_and_verify(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    imported = policy("import", model, "--name", "mine", "--to", folder, "--output", "json")
    assert imported.exit_code == 0, imported.output
    facts = json.loads(imported.stdout)
    assert facts["proof"]["samples"] >= 10_000
    assert facts["digest"] == load_artifact(folder).manifest.digest

    shown = json.loads(policy("show", folder, "--output", "json").stdout)
    assert shown == load_artifact(folder).manifest.model_dump(mode="json")
    verified = policy("verify", folder, "--digest", facts["digest"])
    assert (verified.exit_code, facts["digest"] in verified.stdout) == (0, True)


def test_the_tables_name_what_matters(model: Path, tmp_path: Path) -> None:
    imported = policy("import", model, "--name", "mine", "--to", tmp_path / "mine")
    assert "13-16-35" in imported.stdout
    assert "equal actions on 10029 observations" in imported.stdout
    policy_artifact(tmp_path / "a", ranges={"cpu": Range(low=0, high=97.5)})
    update_scores(tmp_path / "a", {"thesis": {"violations": 0.004}})
    shown = policy("show", tmp_path / "a").stdout
    assert "scores: thesis.violations" in shown
    assert "97.5" in shown


def test_import_does_not_replace_an_artifact_unless_forced(model: Path, tmp_path: Path) -> None:
    before = policy_artifact(tmp_path / "a").manifest
    refused = policy("import", model, "--name", "mine", "--to", tmp_path / "a")
    assert (refused.exit_code, "--force replaces it" in refused.stderr) == (1, True)
    assert load_artifact(tmp_path / "a").manifest == before
    assert policy("import", model, "--name", "mine", "--to", tmp_path / "a", "--force").exit_code == 0
    assert load_artifact(tmp_path / "a").manifest.name == "mine"


def test_import_of_something_else_says_why(tmp_path: Path) -> None:
    (tmp_path / "model.zip").write_text("hello")
    refused = policy("import", tmp_path / "model.zip", "--name", "mine", "--to", tmp_path / "a")
    assert refused.exit_code == 1
    assert "model.zip: damaged" in refused.stderr.replace("\n", "")
    assert not (tmp_path / "a").exists()


def test_verify_says_what_is_wrong(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    policy_artifact(folder)
    other = policy("verify", folder, "--digest", digest(b""))
    assert (other.exit_code, "expected sha256:" in other.stderr) == (1, True)
    (folder / GRAPH_FILE).write_bytes(b"")
    damaged = policy("verify", folder)
    assert (damaged.exit_code, f"{GRAPH_FILE} is sha256:" in damaged.stderr) == (1, True)


def test_an_archive_that_was_not_imported_is_told_apart(model: Path) -> None:
    refused = policy("verify", model)
    assert (refused.exit_code, "sparkiot policy import" in refused.stderr) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("import",),
        ("import", "m.zip", "--name", "Not A Name", "--to", "x"),
        ("import", "m.zip", "--name", "x", "--to", "x", "--observation-schema", "3"),
        ("verify", "x", "--digest", "md5:1"),
        ("unknown",),
    ],
)
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...]) -> None:
    assert policy(*arguments).exit_code == 2


def test_list_names_the_shipped_policies() -> None:
    listed = policy("list", "--output", "json")
    assert listed.exit_code == 0, listed.output
    assert tuple(row["name"] for row in json.loads(listed.stdout)) == shipped()
