"""Settings: documented, settable by flag and environment, checked."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from sparkiot_edge.settings import EdgeSettings
from sparkiot_operator.cli import app
from sparkiot_operator.cli.setting_flags import flag_of
from sparkiot_operator.settings import Settings
from sparkiot_operator.spark.confinement import Confinement
from sparkiot_operator.spark.pod_security import Level

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"
EDGE_PAGE = PAGE.with_name("edge-settings.md")


def test_every_setting_is_documented_and_nothing_else() -> None:
    page = PAGE.read_text()
    documented = re.findall(r"^## `(--[a-z0-9-]+)`$", page, re.MULTILINE)
    assert documented == [flag_of(name) for name in Settings.model_fields]
    assert re.findall(r"Environment: `(\w+)`", page) == [f"SPARKIOT_{name.upper()}" for name in Settings.model_fields]


def test_every_setting_of_the_gateway_is_documented_and_its_password_is_no_flag() -> None:
    page = EDGE_PAGE.read_text()
    assert re.findall(r"Environment: `(\w+)`", page) == [
        f"SPARKIOT_EDGE_{n.upper()}" for n in EdgeSettings.model_fields
    ]
    assert "--password`" not in page
    result = CliRunner().invoke(app, ["edge-gateway", "--group", "a=b", "--password", "hunter2"])
    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"groups": []}, "at least 1"),
        ({"groups": ["a=x", "a=y"]}, "same name"),
        ({"groups": ["a"]}, "topic filter is missing"),
        ({"predictor": "Oracle"}, "must be one of"),
        ({"sink": "kafka"}, "needs kafka servers"),
        ({"password": "p", "password_file": "f"}, "either a password or"),
        ({"interval_seconds": 100.0}, "must be positive and not above horizon"),
    ],
)
def test_settings_of_the_gateway_are_checked(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EdgeSettings(**{"groups": ["a=b"]} | changes)


def test_jobs_are_confined_unless_the_operator_is_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings(all_namespaces=True).confinement == Confinement(
        default_level=Level.RESTRICTED, host_paths=(), service_accounts=()
    )
    monkeypatch.setenv("SPARKIOT_DEFAULT_POD_SECURITY", "baseline")
    monkeypatch.setenv("SPARKIOT_HOST_PATHS", '["/mnt/nvme"]')
    monkeypatch.setenv("SPARKIOT_JOB_SERVICE_ACCOUNTS", '["iot/*"]')
    assert Settings(all_namespaces=True).confinement == Confinement(
        default_level=Level.BASELINE, host_paths=("/mnt/nvme",), service_accounts=("iot/*",)
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"host_paths": ["mnt"]}, "absolute"),
        ({"host_paths": ["/mnt/../etc"]}, "absolute"),
        ({"job_service_accounts": ["spark"]}, "NAMESPACE/NAME"),
        ({"default_pod_security": "lax"}, "privileged"),
    ],
)
def test_settings_of_confinement_are_checked(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings(all_namespaces=True, **changes)


def test_every_setting_says_what_it_is_for() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert len(field.description) > 20, name
        if re.search("_(seconds|mebibytes)$", name):
            unit = {"seconds": "econds", "mebibytes": "MiB"}[name.rsplit("_", 1)[1]]
            assert unit in field.description, f"{name} does not state its unit"


def test_every_setting_is_a_flag() -> None:
    shown = re.sub(r"\s+", " ", CliRunner().invoke(app, ["operator", "--help"], env={"COLUMNS": "300"}).output)
    for name in Settings.model_fields:
        assert flag_of(name) in shown


def test_the_environment_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARKIOT_NAMESPACES", '["iot", "test"]')
    monkeypatch.setenv("SPARKIOT_HEALTH_PORT", "9090")
    settings = Settings()
    assert settings.namespaces == ["iot", "test"]
    assert settings.health_port == 9090


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "state either namespaces"),
        ({"all_namespaces": True, "namespaces": ["a"]}, "state either namespaces"),
        ({"all_namespaces": True, "health_port": 70000}, "less than or equal to 65535"),
        ({"all_namespaces": True, "error_backoff_seconds": 100}, "must not be below"),
        ({"all_namespaces": True, "unknown": 1}, "Extra inputs"),
    ],
)
def test_wrong_values_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings.model_validate(values)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "state either namespaces"),
        (["--all-namespaces", "--audit-files", "0"], "--audit-files: Input should be greater than or equal to 1"),
        (["--all-namespaces", "--policy-digest", "city"], "--policy-digest city: expected NAME=sha256"),
        (["--all-namespaces", "--policy-source", "city="], "--policy-source city=: expected NAME=s3://BUCKET/KEY"),
        (["--all-namespaces", "--endpoint-peer", "{"], "--endpoint-peer {: not JSON"),
    ],
)
def test_wrong_flags_are_one_line_and_exit_2(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["operator", *arguments])
    assert result.exit_code == 2
    (line,) = result.stderr.strip().splitlines()
    assert message in line
