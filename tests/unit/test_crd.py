"""The generated CRD: structural, described, small, and of one mind with the models."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from sparkiot_operator.crd import build_crd
from sparkiot_operator.generate import crd_manifest
from sparkiot_operator.resource.spec import SparkIoTJobSpec

CRD = build_crd()
ROOT = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
MINIMAL = {"simulation": {"workload": {"generator": {"kind": "SmartCity"}}}}


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from nodes(schema[key], f"{path}[]")


def test_small_enough_for_client_side_apply() -> None:
    assert len(crd_manifest().encode()) < 100_000
    assert len(json.dumps(CRD)) < 100_000


@pytest.mark.parametrize("release", ["1.29", "1.37"])
def test_valid_on_an_old_and_a_current_release(release: str) -> None:
    kubernetes_validate.validate(CRD, release, strict=True)


def test_every_field_has_a_description() -> None:
    exempt = {".metadata"}
    bare = [
        p for p, node in nodes(ROOT) if p and not p.endswith("[]") and p not in exempt and not node.get("description")
    ]
    assert bare == []


def test_structural() -> None:
    for path, node in nodes(ROOT):
        assert "type" in node, path
        assert not node.keys() & {"$ref", "$defs", "anyOf", "oneOf", "allOf", "title", "const", "exclusiveMinimum"}, (
            path
        )
        # Kubernetes before 1.21 takes an empty string for null and refuses the CRD.
        assert "default" not in node or node["default"] not in (None, ""), path
        if node["type"] == "object" and path not in ("", ".metadata"):
            known = node.keys() & {"properties", "additionalProperties", "x-kubernetes-preserve-unknown-fields"}
            assert known, f"{path} would be pruned to nothing"


def test_strings_in_cel_rules_are_bounded() -> None:
    """An API server estimates a rule's cost from the largest value; an unbounded string makes it refuse the CRD."""
    for path, node in nodes(ROOT["properties"]["spec"]):
        for rule in node.get("x-kubernetes-validations", []):
            for name, child in node["properties"].items():
                if f"self.{name}" in rule["rule"] and child["type"] == "string" and "enum" not in child:
                    assert "maxLength" in child, f"{path}.{name} in {rule['rule']!r}"


def defaulted(schema: dict[str, Any], value: Any) -> Any:
    """What an API server makes of a value: absent fields get their defaults, from the outside in."""
    if schema.get("type") == "object" and "properties" in schema:
        value = dict(value)
        for name, child in schema["properties"].items():
            if name not in value and "default" in child:
                value[name] = child["default"]
            if name in value:
                value[name] = defaulted(child, value[name])
    return value


def test_schema_and_models_have_the_same_defaults() -> None:
    by_server = defaulted(ROOT["properties"]["spec"], MINIMAL)
    assert SparkIoTJobSpec.model_validate(by_server) == SparkIoTJobSpec.model_validate(MINIMAL)
    by_models = SparkIoTJobSpec.model_validate(MINIMAL).model_dump(by_alias=True, mode="json", exclude_none=True)
    assert by_server == by_models


def test_scale_and_status_paths_exist() -> None:
    version = CRD["spec"]["versions"][0]
    known = {path for path, _ in nodes(ROOT)}
    scale = version["subresources"]["scale"]
    columns = [c["jsonPath"] for c in version["additionalPrinterColumns"] if not c["jsonPath"].startswith(".metadata.")]
    for path in [scale["specReplicasPath"], scale["statusReplicasPath"], *columns]:
        assert path in known, path


def test_generated_file_is_current() -> None:
    path = Path(__file__).parents[2] / "crds" / "sparkiotjobs.sparkiot.dev.yaml"
    assert path.read_text() == crd_manifest(), "run `make generate`"
    assert yaml.safe_load(path.read_text()) == CRD


def test_the_server_fills_nothing_into_a_status() -> None:
    assert [path for path, node in nodes(ROOT["properties"]["status"]) if "default" in node] == []
