"""The shipped manifests of live jobs: accepted as they are, and true to the example jobs that they start."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from sparkiot_operator.resource.translate import parse_spec
from sparkiot_operator.spark.allocation import AllocationRequest
from sparkiot_operator.spark.manifests import DriverObjects, DriverRequest, build_objects
from sparkiot_operator.spark.properties import Capabilities
from sparkiot_policies.allocation import Compression, Tier

OPERATOR = Path(__file__).parents[2] / "operator"
MANIFESTS = sorted((OPERATOR / "sparkiot_operator" / "examples" / "live").glob("*.yaml"))
INSTALLED = "local:///opt/sparkiot/"


def built(manifest: dict[str, Any]) -> DriverObjects:
    first = AllocationRequest(generation=1, executors=1, memory_mib=1024, tier=Tier.WARM, compression=Compression.LZ4)
    return build_objects(
        DriverRequest(
            namespace="iot",
            name=manifest["metadata"]["name"],
            uid="7f1c",
            spec=parse_spec(manifest["spec"]),
            allocation=first,
            runtime_image="sparkiot-operator:0.1.0",
            runtime_pull_policy=None,
            token="t",
            issued=0.0,
            capabilities=Capabilities(),
        )
    )


def mounted(pod: dict[str, Any]) -> dict[str, str]:
    """Mount path to host path, of the container's mounts that come from the host."""
    hosts = {v["name"]: v["hostPath"]["path"] for v in pod["spec"]["volumes"] if "hostPath" in v}
    [container] = pod["spec"]["containers"]
    return {m["mountPath"]: hosts[m["name"]] for m in container["volumeMounts"] if m["name"] in hosts}


def options(main_file: Path) -> set[str]:
    """The options that a job's argument parser knows."""
    calls = [node for node in ast.walk(ast.parse(main_file.read_text())) if isinstance(node, ast.Call)]
    added = [c for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr == "add_argument"]
    return {c.args[0].value for c in added if isinstance(c.args[0], ast.Constant) and isinstance(c.args[0].value, str)}


def test_there_is_one_for_each_example_job() -> None:
    files = {yaml.safe_load(m.read_text())["spec"]["application"]["mainApplicationFile"] for m in MANIFESTS}
    jobs = (OPERATOR / "sparkiot_driver" / "examples").glob("*.py")
    assert files == {f"{INSTALLED}sparkiot_driver/examples/{job.name}" for job in jobs}


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda p: p.stem)
def test_a_live_example_starts_its_job_on_shared_folders(path: Path) -> None:
    manifest = yaml.safe_load(path.read_text())
    application = manifest["spec"]["application"]
    objects = built(manifest)

    stated = dict(argument.split("=", 1) for argument in application["arguments"])
    assert stated.keys() <= options(OPERATOR / application["mainApplicationFile"].removeprefix(INSTALLED))

    driver = mounted(objects.pod)
    executor = mounted(json.loads(objects.config_map["data"]["executor-template.json"]))
    assert driver == executor
    [(inside, outside)] = driver.items()
    assert inside == outside
    folders = [stated["--landing"], stated["--sink"], application["checkpointLocation"].removeprefix("file://")]
    assert all(folder.startswith(f"{inside}/") for folder in folders)
    assert len(set(folders)) == 3
