"""The chart as the real helm renders it: whole objects, against Kubernetes' schemas, and values that are refused.

``SPARKIOT_UPDATE_GOLDEN=1 pytest tests/integration/test_chart_templates.py`` writes the golden files anew: read the
change.
"""

import json
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from support_access import Right, chart_rights
from support_chart import MATRIX
from support_helm import CHART, RELEASES, Helm, by_kind, only

from sparkiot_operator.crd import build_crd
from sparkiot_operator.settings import Settings
from sparkiot_operator.spark import access

Json = dict[str, Any]
GOLDEN = Path(__file__).parent / "golden"
OLDEST = "1.28"
SCHEMA: Json = json.loads((CHART / "values.schema.json").read_text())
VALUES: Json = yaml.safe_load((CHART / "values.yaml").read_text())


@pytest.fixture(scope="module", params=RELEASES)
def each_helm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(request.param, tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm("4", tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="module")
def rendered(helm: Helm) -> dict[str, list[Json]]:
    return {name: helm.template(values) for name, values in MATRIX.items()}


def test_the_linter_has_nothing_to_say(each_helm: Helm) -> None:
    each_helm("lint", "--strict", str(CHART))


def test_helm_3_and_helm_4_render_the_same(rendered: dict[str, list[Json]], tmp_path: Path) -> None:
    older = Helm("3", tmp_path)
    for name, values in MATRIX.items():
        assert without_passwords(older.template(values)) == without_passwords(rendered[name]), name


def without_passwords(objects: list[Json]) -> list[Json]:
    """Those that are made anew each time; the keys stay."""
    return [{**found, "data": sorted(found["data"])} if found["kind"] == "Secret" else found for found in objects]


@pytest.mark.parametrize("name", ["default", "everything", "namespaced"])
def test_objects_are_as_they_were_read(rendered: dict[str, list[Json]], name: str) -> None:
    objects = [found for found in rendered[name] if found["kind"] != "CustomResourceDefinition"]
    golden = GOLDEN / f"chart-{name}.yaml"
    if os.environ.get("SPARKIOT_UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(yaml.safe_dump_all(objects, sort_keys=False, width=120))
    assert list(yaml.safe_load_all(golden.read_text())) == objects


@pytest.mark.parametrize("release", [OLDEST, kubernetes_validate.latest_version()])
def test_kubernetes_accepts_every_object(rendered: dict[str, list[Json]], release: str) -> None:
    for objects in rendered.values():
        for found in objects:
            if not found["apiVersion"].startswith("monitoring.coreos.com/"):
                kubernetes_validate.validate(found, release, strict=True)


def test_the_chart_states_the_oldest_release_that_it_is_checked_against() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["kubeVersion"] == f">={OLDEST}.0-0"
    assert chart["appVersion"] == version("sparkiot")


def test_the_crd_is_the_generated_one_and_stays_unless_told_otherwise(rendered: dict[str, list[Json]]) -> None:
    crd, wanted = only(rendered["default"], "CustomResourceDefinition"), build_crd()
    assert crd["spec"] == wanted["spec"]
    assert crd["metadata"]["name"] == wanted["metadata"]["name"]
    assert crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert "annotations" not in only(rendered["everything"], "CustomResourceDefinition")["metadata"]
    assert by_kind(rendered["namespaced"], "CustomResourceDefinition") == []


def test_named_namespaces_need_no_right_on_the_cluster(rendered: dict[str, list[Json]]) -> None:
    kinds = {found["kind"] for found in rendered["namespaced"]}
    assert not {kind for kind in kinds if kind.startswith("Cluster")}
    assert {r["metadata"]["namespace"] for r in by_kind(rendered["namespaced"], "Role")} == {
        "city",
        "health",
        "sparkiot",
    }


def test_the_operator_may_grant_what_drivers_get_and_nothing_else() -> None:
    assert chart_rights("drivers") == Right.of(access.rules("job", resize=True))


def test_monitors_are_made_only_where_the_cluster_has_their_api(helm: Helm) -> None:
    wanted = {"metrics": {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}}
    kinds = {found["kind"] for found in helm.template(wanted, apis=())}
    assert not kinds & {"ServiceMonitor", "PodMonitor"}
    kinds = {found["kind"] for found in helm.template(wanted, apis=("monitoring.coreos.com/v1/PodMonitor",))}
    assert kinds & {"ServiceMonitor", "PodMonitor"} == {"PodMonitor"}


def test_the_operator_is_told_who_may_call_drivers_and_is_among_them(rendered: dict[str, list[Json]]) -> None:
    deployment = operator(rendered["namespaced"])
    own, other = json.loads(environment(deployment)["SPARKIOT_ENDPOINT_PEERS"])
    assert own["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": deployment["metadata"]["namespace"]
    }
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert own["podSelector"]["matchLabels"].items() <= labels.items()
    assert other == {"podSelector": {"matchLabels": {"app": "prometheus"}}}
    assert "SPARKIOT_ENDPOINT_PEERS" in environment(operator(rendered["default"]))


def test_policies_for_jobs_are_a_right_only_where_they_are_made(rendered: dict[str, list[Json]]) -> None:
    made = Right("networking.k8s.io", "networkpolicies", "create")
    for name, wanted in (("default", True), ("everything", False)):
        (role,) = (r for r in by_kind(rendered[name], "ClusterRole") if r["metadata"]["name"].endswith("-operator"))
        assert (made in Right.of(role["rules"])) is wanted
        assert ("SPARKIOT_ENDPOINT_PEERS" in environment(operator(rendered[name]))) is wanted


def test_the_settings_that_are_rendered_are_accepted_by_the_operator(
    rendered: dict[str, list[Json]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(operator(rendered["everything"])).items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.all_namespaces
    assert settings.status_interval_seconds == 2.5
    assert settings.watch_timeout_seconds == 120
    assert settings.policy_digests == {"mine": "sha256:" + "b" * 64, "far": "sha256:" + "c" * 64}
    assert settings.policy_sources == {"far": "s3://policies/iot/far.tgz"}
    assert (settings.policy_s3_endpoint, settings.policy_s3_region) == ("https://s3.example:9000", "eu-central-1")
    assert (settings.health_host, settings.health_port) == ("0.0.0.0", 9090)
    assert settings.runtime_image == "registry.example/runtime:1"
    (container,) = operator(rendered["namespaced"])["spec"]["template"]["spec"]["containers"]
    assert {"name": "SPARKIOT_NAMESPACES", "value": '["city","health"]'} in container["env"]


RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True}


@pytest.mark.parametrize("name", list(MATRIX))
def test_every_pod_meets_the_restricted_standard(rendered: dict[str, list[Json]], name: str) -> None:
    """Pod Security Standards, "Restricted": what it asks of a pod that has containers and no host paths or ports."""
    pods = [found["spec"]["template"]["spec"] for found in by_kind(rendered[name], "Deployment")]
    pods += [found["spec"] for found in by_kind(rendered[name], "Pod")]
    assert len(pods) >= 2
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not any("hostPath" in volume for volume in pod["volumes"])
        assert [container["securityContext"] for container in pod["containers"]] == [RESTRICTED]


def operator(objects: list[Json]) -> Json:
    """Its Deployment."""
    (found,) = (
        d
        for d in by_kind(objects, "Deployment")
        if d["metadata"]["labels"]["app.kubernetes.io/component"] == "operator"
    )
    return found


def environment(deployment: Json) -> dict[str, str]:
    """The literal variables of the operator's container."""
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {item["name"]: item["value"] for item in container["env"] if "value" in item}


def closed_objects(schema: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Json]]:
    """Every object of the schema that lists its keys, with its path."""
    if schema.get("additionalProperties") is False:
        yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from closed_objects(child, (*path, name))


def at(values: Json, path: tuple[str, ...]) -> Any:
    for name in path:
        values = values[name]
    return values


OPTIONAL = {
    (): {"global"},
    ("resources",): {"claims"},
    ("redis", "resources"): {"claims"},
    ("livenessProbe",): {"successThreshold"},
    ("readinessProbe",): {"initialDelaySeconds", "successThreshold"},
}
"""What may be stated though values.yaml leaves it out."""


@pytest.mark.parametrize(("path", "schema"), list(closed_objects(SCHEMA)), ids=lambda p: ".".join(p) if p else "root")
def test_values_and_schema_name_the_same_things_and_a_typo_is_refused(path: tuple[str, ...], schema: Json) -> None:
    settings = path == ("operator", "settings")
    left_out = set(schema["properties"]) if settings else OPTIONAL.get(path, set())
    assert set(schema["properties"]) - left_out == set(at(VALUES, path))
    typo = json.loads(json.dumps(VALUES))
    at(typo, path)["tpyo"] = True
    jsonschema.validate(VALUES, SCHEMA)
    with pytest.raises(jsonschema.ValidationError, match="tpyo"):
        jsonschema.validate(typo, SCHEMA)


def test_every_setting_can_be_stated_in_one_place() -> None:
    """A setting that is new must be offered by the chart, or decided by it."""
    offered = SCHEMA["properties"]["operator"]["properties"]["settings"]["properties"]
    decided = {
        *("namespaces", "all_namespaces", "kubeconfig", "default_backend", "runtime_image"),
        *("runtime_image_pull_policy", "policies_dir", "policy_digests", "health_host", "health_port"),
        *("endpoint_peers", "policy_sources", "policy_s3_endpoint", "policy_s3_region"),
        *("leader_elect", "leader_lease_name", "leader_lease_namespace", "leader_lease_seconds"),
        *("leader_deadline_seconds", "leader_retry_seconds"),
        *("audit_dir", "audit_max_mebibytes", "audit_files", "log_level", "log_format"),
    }
    assert {camel_case(name) for name in set(Settings.model_fields) - decided} == set(offered)


def camel_case(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.title() for word in rest)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"watchNamespace": ["a"]}, "watchNamespace"),
        ({"operator": {"settings": {"statusInterval": 1}}}, "statusInterval"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"operator": {"defaultBackend": "spark"}}, "defaultBackend"),
        ({"policies": {"configMap": "a", "persistentVolumeClaim": "b"}}, "exclude each other"),
        ({"policies": {"s3": {"sources": {"far": "s3://bucket/far.tgz"}}}}, "needs policies.digests.far"),
        ({"policies": {"s3": {"sources": {"far": "bucket/far.tgz"}}}}, "sources"),
        ({"serviceAccount": {"create": False}}, "serviceAccount.name must be set"),
    ],
)
def test_helm_refuses_wrong_values_and_says_which(each_helm: Helm, values: Json, named: str) -> None:
    done = each_helm.run("template", "sparkiot", str(CHART), values=values)
    assert done.returncode != 0
    assert named in done.stderr
