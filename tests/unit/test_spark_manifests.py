"""The objects of a live job, whole: against golden files, against Kubernetes' own schemas, and by their promises.

``SPARKIOT_UPDATE_GOLDEN=1 pytest tests/unit/test_spark_manifests.py`` writes the golden files anew: read the change.
"""

import json
import os
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support_spark import allocation_request, driver_request, live_spec

from sparkiot_operator.resource.translate import InvalidSpecError, parse_spec
from sparkiot_operator.spark import naming
from sparkiot_operator.spark.manifests import DriverObjects, DriverRequest, build_objects
from sparkiot_operator.spark.properties import Capabilities
from sparkiot_policies.allocation import Compression, Tier

Json = dict[str, Any]
GOLDEN = Path(__file__).parent / "golden"

MAXIMAL = driver_request(
    live_spec(
        scaling={"executors": {"min": 2, "max": 50}, "memory": {"min": "2Gi", "max": "16Gi"}},
        shuffle={
            "tiers": {
                "hot": {"redis": {"urlFrom": {"secretKeyRef": {"name": "redis", "key": "url"}}}},
                "warm": {"volume": {"hostPath": "/mnt/nvme"}},
                "cold": {
                    "s3": {
                        "bucket": "shuffle",
                        "prefix": "jobs/",
                        "endpoint": "http://s3.storage:8333",
                        "credentialsFrom": {
                            "accessKeyId": {"secretKeyRef": {"name": "s3", "key": "id"}},
                            "secretAccessKey": {"secretKeyRef": {"name": "s3", "key": "secret"}},
                        },
                    }
                },
            }
        },
        image="registry.example/team/spark:4.2.1",
        imagePullPolicy="Always",
        imagePullSecrets=["registry"],
        sparkVersion="4.2.1",
        mainApplicationFile="local:///opt/app/jobs/städte.py",
        arguments=["--topic", "iot/ümlaut 'quoted' \"twice\"", "$(POD_NAME)", "$HOME", "", "a\nb"],
        sparkConf={
            "spark.plugins": "com.example.Plugin",
            "spark.sql.shuffle.partitions": "64",
            "spark.hadoop.fs.s3a.endpoint": "https://minio.example:9000",
        },
        driver={
            "cores": 2,
            "memory": "4Gi",
            "template": {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "labels": {"team": "roads", "sparkiot.dev/job": "not-this"},
                    "annotations": {"prometheus.io/scrape": "true"},
                },
                "spec": {
                    "restartPolicy": "Always",
                    "nodeSelector": {"disk": "ssd"},
                    "tolerations": [{"key": "spot", "operator": "Exists", "effect": "NoSchedule"}],
                    "terminationGracePeriodSeconds": 120,
                    "containers": [
                        {"name": "log-shipper", "image": "registry.example/shipper:1"},
                        {
                            "name": "spark-kubernetes-driver",
                            "command": ["sh"],
                            "env": [
                                {"name": "AWS_REGION", "value": "eu-central-1"},
                                {"name": "PYTHONPATH", "value": "/not/this"},
                            ],
                            "resources": {"limits": {"cpu": "4", "memory": "64Gi"}},
                            "volumeMounts": [{"name": "landing", "mountPath": "/data/landing"}],
                        },
                    ],
                    "volumes": [
                        {"name": "landing", "persistentVolumeClaim": {"claimName": "landing"}},
                        {"name": "tmp", "hostPath": {"path": "/not/this"}},
                    ],
                },
            },
        },
        executor={
            "cores": 3,
            "template": {
                "metadata": {"labels": {"team": "roads"}},
                "spec": {
                    "nodeSelector": {"pool": "spot"},
                    "containers": [
                        {
                            "name": "spark-kubernetes-executor",
                            "volumeMounts": [{"name": "landing", "mountPath": "/data/landing"}],
                        }
                    ],
                    "volumes": [{"name": "landing", "persistentVolumeClaim": {"claimName": "landing"}}],
                },
            },
        },
    ),
    name="city.traffic.of-" + "a-very-long-name-" * 4 + "end",
    allocation=allocation_request(
        generation=7, executors=12, memory_mib=6144, tier=Tier.HOT, compression=Compression.ZSTD
    ),
    runtime_pull_policy="IfNotPresent",
    capabilities=Capabilities(pod_resize=True),
)
CASES = {
    "spark-minimal": driver_request(),
    "spark-maximal": MAXIMAL,
    "spark-own-account": driver_request(live_spec(serviceAccountName="roads")),
}


class _Plain(yaml.SafeDumper):
    """Without anchors: whoever reads a golden file sees every object whole."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def documents(objects: DriverObjects) -> list[Json]:
    """All objects in order, those inside the ConfigMap opened up."""
    found = json.loads(json.dumps([manifest for _, manifest in objects.in_order()]))
    for manifest in found:
        if manifest["kind"] == "ConfigMap":
            data = manifest["data"]
            data["spark.properties"] = data["spark.properties"].splitlines()
            for name in ("executor-template.json", "job.json"):
                data[name] = json.loads(data[name])
    return list(found)


@pytest.mark.parametrize("name", CASES)
def test_objects_are_as_reviewed(name: str) -> None:
    built = documents(build_objects(CASES[name]))
    golden = GOLDEN / f"{name}.yaml"
    if os.environ.get("SPARKIOT_UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(yaml.dump_all(built, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120))
    assert list(yaml.safe_load_all(golden.read_text())) == built


@pytest.mark.parametrize("release", ["1.29", "1.37"])
@pytest.mark.parametrize("name", CASES)
def test_valid_on_an_old_and_a_current_release(name: str, release: str) -> None:
    objects = build_objects(CASES[name])
    for _, manifest in objects.in_order():
        kubernetes_validate.validate(manifest, release, strict=True)
    kubernetes_validate.validate(json.loads(objects.config_map["data"]["executor-template.json"]), release, strict=True)


def test_objects_come_before_what_refers_to_them() -> None:
    kinds = [manifest["kind"] for _, manifest in build_objects(driver_request()).in_order()]
    assert kinds == ["ServiceAccount", "Role", "RoleBinding", "Secret", "ConfigMap", "Service", "Pod"]
    collections = [path for path, _ in build_objects(driver_request()).in_order()]
    assert collections[1] == "/apis/rbac.authorization.k8s.io/v1/namespaces/iot/roles"
    assert collections[-1] == "/api/v1/namespaces/iot/pods"


@pytest.mark.parametrize("name", CASES)
def test_everything_belongs_to_the_job(name: str) -> None:
    request = CASES[name]
    for _, manifest in build_objects(request).in_order():
        (owner,) = manifest["metadata"]["ownerReferences"]
        assert (owner["name"], owner["uid"], owner["controller"]) == (request.name, request.uid, True)
        assert manifest["metadata"]["labels"][naming.JOB_LABEL] == naming.label_value(request.name)


def test_equal_requests_give_equal_objects() -> None:
    assert documents(build_objects(MAXIMAL)) == documents(build_objects(MAXIMAL))


def test_the_allocation_does_not_change_what_makes_a_driver_restart() -> None:
    other = driver_request(allocation=allocation_request(generation=2, executors=9, memory_mib=8192))
    assert build_objects(other).spec_hash == build_objects(driver_request()).spec_hash
    assert build_objects(other).config_map == build_objects(driver_request()).config_map


@pytest.mark.parametrize(
    ("version", "can", "may"), [("4.2.1", True, True), ("4.2.1", False, False), ("3.5.9", True, False)]
)
def test_the_role_may_resize_pods_only_where_it_does(version: str, can: bool, may: bool) -> None:
    request = driver_request(live_spec(sparkVersion=version), capabilities=Capabilities(pod_resize=can))
    role = build_objects(request).role
    assert role is not None
    assert any(rule["resources"] == ["pods/resize"] for rule in role["rules"]) is may


def test_the_role_reads_no_other_job() -> None:
    role = build_objects(driver_request()).role
    assert role is not None
    (rule,) = [rule for rule in role["rules"] if rule["apiGroups"] == ["sparkiot.dev"]]
    assert rule == {
        "apiGroups": ["sparkiot.dev"],
        "resources": ["sparkiotjobs"],
        "verbs": ["get"],
        "resourceNames": ["city-traffic"],
    }


def test_the_token_is_nowhere_but_in_its_secret() -> None:
    request = driver_request(token="tok-3f9a")
    objects = build_objects(request)
    rest = [manifest for _, manifest in objects.in_order() if manifest["kind"] != "Secret"]
    assert "tok-3f9a" not in json.dumps(rest)
    assert "tok-3f9a" not in repr(request) + repr(objects)


def expand(text: str) -> str:
    """What the kubelet makes of an argument when no variable is known: ``$$`` is a dollar, the rest stays."""
    return text.replace("$$", "$")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=4))
def test_arguments_reach_the_application_as_they_are(arguments: list[str]) -> None:
    (container,) = build_objects(driver_request(live_spec(arguments=arguments))).pod["spec"]["containers"]
    assert [expand(text) for text in container["args"]] == ["/opt/app/main.py", *arguments]
    assert not any("$(" in text.replace("$$", "") for text in container["args"])


def test_all_that_is_wrong_is_said_at_once() -> None:
    spec = live_spec(sparkConf={"spark.master": "local"}, driver={"memory": "256Mi"})
    with pytest.raises(InvalidSpecError) as caught:
        build_objects(driver_request(spec))
    assert len(caught.value.problems) == 2


def test_a_spec_without_application_is_refused() -> None:
    spec = parse_spec({"simulation": {"workload": {"generator": {"kind": "SmartCity"}}}})
    with pytest.raises(InvalidSpecError, match=r"spec\.application"):
        build_objects(driver_request(spec))


def test_a_request_is_a_value() -> None:
    assert isinstance(MAXIMAL, DriverRequest)
    assert driver_request() == driver_request()
