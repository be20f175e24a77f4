"""What a job's pods may ask for: pod security levels, folders of nodes, service accounts; what no template states."""

import asyncio
from typing import Any

import pytest
from support_jobs import allocation
from support_objects import NoObjects
from support_spark import driver_request, live_spec

from sparkiot_operator.backends.base import Desired
from sparkiot_operator.backends.spark import SparkBackend
from sparkiot_operator.driver_client import DriverClient
from sparkiot_operator.errors import BackendRefusedError
from sparkiot_operator.events import JobRef
from sparkiot_operator.resource.spec import SparkIoTJobSpec
from sparkiot_operator.resource.status import DriverStatus
from sparkiot_operator.spark import naming
from sparkiot_operator.spark.confinement import ENFORCE_LABEL, Confinement, refusals
from sparkiot_operator.spark.manifests import build_objects
from sparkiot_operator.spark.pod_security import Level, violations
from sparkiot_operator.spark.validation import problems

Json = dict[str, Any]
OURS = {"name": naming.CONTAINER}
RESTRICTED: Json = {
    "name": "side",
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
}


def refused(spec: SparkIoTJobSpec, level: Level = Level.RESTRICTED, **rules: Any) -> list[str]:
    assert spec.application is not None
    conf = spec.application.spark_conf
    return refusals(Confinement(**rules), level, build_objects(driver_request(spec)), conf=conf)


def driver(**pod: Any) -> SparkIoTJobSpec:
    """A job whose driver's template has these fields in its pod spec."""
    return live_spec(driver={"template": {"spec": pod}})


def context(**fields: Any) -> SparkIoTJobSpec:
    """A job whose driver's container has these fields in its security context."""
    return driver(containers=[{**OURS, "securityContext": fields}])


def test_pods_of_a_plain_job_are_restricted() -> None:
    assert refused(live_spec()) == []


BASELINE = [
    (driver(hostNetwork=True), "spec.hostNetwork"),
    (driver(hostPID=True), "spec.hostPID"),
    (driver(hostIPC=True), "spec.hostIPC"),
    (context(privileged=True), "privileged"),
    (context(capabilities={"add": ["SYS_ADMIN"], "drop": ["ALL"]}), "SYS_ADMIN"),
    (context(procMount="Unmasked"), "procMount"),
    (context(seccompProfile={"type": "Unconfined"}), "seccompProfile"),
    (context(appArmorProfile={"type": "Unconfined"}), "appArmorProfile"),
    (context(seLinuxOptions={"type": "spc_t"}), "seLinuxOptions"),
    (context(seLinuxOptions={"user": "system_u"}), "seLinuxOptions"),
    (context(windowsOptions={"hostProcess": True}), "hostProcess"),
    (driver(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}), "kernel.msgmax"),
    (driver(containers=[{**OURS, "ports": [{"containerPort": 22, "hostPort": 22}]}]), "hostPort"),
    (driver(containers=[{**OURS, "livenessProbe": {"httpGet": {"host": "10.0.0.1"}}}]), "livenessProbe.httpGet.host"),
    (driver(initContainers=[{**RESTRICTED, "securityContext": {"privileged": True}}]), "spec.initContainers[side]"),
    (driver(volumes=[{"name": "root", "hostPath": {"path": "/"}}]), "folder / of the node"),
    (live_spec(shuffle={"tiers": {"warm": {"volume": {"hostPath": "/etc"}}}}), "folder /etc of the node"),
    (
        live_spec(driver={"template": {"metadata": {"annotations": {
            "container.apparmor.security.beta.kubernetes.io/spark-kubernetes-driver": "unconfined"}}}}),
        "apparmor",
    ),
    (live_spec(executor={"template": {"spec": {"hostPID": True}}}), "executor: spec.hostPID"),
    (
        live_spec(sparkConf={"spark.kubernetes.executor.volumes.hostPath.d.options.path": "/var/run"}),
        "executor: the folder /var/run",
    ),
]  # fmt: skip
RESTRICTED_ONLY = [
    (context(runAsUser=0), "runAsUser must not be 0"),
    (driver(securityContext={"runAsUser": 0}), "spec.securityContext.runAsUser must not be 0"),
    (context(runAsNonRoot=False), "runAsNonRoot must be true"),
    (driver(securityContext={"runAsNonRoot": False}), "runAsNonRoot must be true"),
    (context(allowPrivilegeEscalation=True), "allowPrivilegeEscalation must be false"),
    (context(capabilities={"drop": []}), "must hold ALL"),
    (context(capabilities={"add": ["CHOWN"], "drop": ["ALL"]}), "nothing but NET_BIND_SERVICE"),
    (driver(containers=[{"name": "side", "image": "busybox"}]), "spec.containers[side]"),
    (driver(volumes=[{"name": "n", "nfs": {"server": "s", "path": "/"}}]), "of kind nfs"),
    (
        live_spec(executor={"template": {"spec": {"securityContext": {"runAsUser": 0}}}}),
        "executor: spec.securityContext",
    ),
    (
        live_spec(sparkConf={"spark.kubernetes.executor.volumes.nfs.d.options.path": "/"}),
        "executor: spec.volumes: d is",
    ),
]


@pytest.mark.parametrize(("spec", "told"), BASELINE)
def test_what_reaches_the_node_needs_a_privileged_namespace(spec: SparkIoTJobSpec, told: str) -> None:
    for level in (Level.BASELINE, Level.RESTRICTED):
        assert any(told in text for text in refused(spec, level)), level
    assert refused(spec, Level.PRIVILEGED) == []


@pytest.mark.parametrize(("spec", "told"), RESTRICTED_ONLY)
def test_what_is_merely_lax_needs_a_baseline_namespace(spec: SparkIoTJobSpec, told: str) -> None:
    assert any(told in text for text in refused(spec, Level.RESTRICTED))
    assert refused(spec, Level.BASELINE) == []


def test_a_pod_that_states_nothing_is_not_restricted() -> None:
    """Kubernetes' defaults are lax: what the standard asks for must stand in the pod."""
    bare: Json = {"spec": {"containers": [{"name": "c", "image": "busybox"}]}}
    assert violations(bare, Level.BASELINE) == []
    assert [text.partition(".securityContext.")[2].split(" ")[0] for text in violations(bare, Level.RESTRICTED)] == [
        "allowPrivilegeEscalation",
        "runAsNonRoot",
        "seccompProfile.type",
        "capabilities.drop",
    ]


def test_a_sidecar_that_states_what_it_may_is_restricted() -> None:
    assert refused(driver(containers=[RESTRICTED])) == []


@pytest.mark.parametrize(
    ("allowed", "path", "may"),
    [
        ("/mnt/nvme", "/mnt/nvme", True),
        ("/mnt/nvme", "/mnt/nvme/", True),
        ("/mnt/nvme", "/mnt/nvme/team", False),
        ("/mnt/nvme/", "/mnt/nvme/team", True),
        ("/mnt/nvme/", "/mnt/nvme", True),
        ("/mnt/nvme/", "/mnt/nvme2", False),
        ("/mnt/nvme/", "/mnt/nvme/../../etc", False),
        ("/mnt/nvme/", "mnt/nvme/team", False),
        ("/mnt/nvme/", "/mnt/nvme//team/.", True),
        ("/", "/etc", True),
    ],
)
def test_a_folder_of_the_node_is_mounted_where_the_operator_says_so(allowed: str, path: str, may: bool) -> None:
    spec = driver(volumes=[{"name": "d", "hostPath": {"path": path}}])
    assert (refused(spec, host_paths=(allowed,)) == []) is may


@pytest.mark.parametrize(
    ("allowed", "may"),
    [((), False), (("iot/roads",), True), (("*/roads",), True), (("iot/*",), True), (("other/roads",), False)],
)
@pytest.mark.parametrize(
    "spec",
    [
        live_spec(serviceAccountName="roads"),
        live_spec(executor={"template": {"spec": {"serviceAccountName": "roads"}}}),
        live_spec(executor={"template": {"spec": {"serviceAccount": "roads"}}}),
    ],
)
def test_a_job_names_only_service_accounts_that_the_operator_allows(
    spec: SparkIoTJobSpec, allowed: tuple[str, ...], may: bool
) -> None:
    # Of every level, as it is not about the node.
    assert (refused(spec, Level.PRIVILEGED, service_accounts=allowed) == []) is may


@pytest.mark.parametrize(
    ("labels", "level"),
    [
        ({}, Level.BASELINE),
        ({ENFORCE_LABEL: "restricted"}, Level.RESTRICTED),
        ({ENFORCE_LABEL: "privileged"}, Level.PRIVILEGED),
        ({ENFORCE_LABEL: "lax"}, Level.BASELINE),
        ({"pod-security.kubernetes.io/warn": "privileged"}, Level.BASELINE),
    ],
)
def test_the_namespaces_label_counts_before_the_setting(labels: dict[str, str], level: Level) -> None:
    assert Confinement(default_level=Level.BASELINE).level(labels) is level


@pytest.mark.parametrize("pod", ["driver", "executor"])
@pytest.mark.parametrize(
    ("template", "field"),
    [
        ({"metadata": {"namespace": "kube-system"}}, "metadata.namespace"),
        ({"metadata": {"name": "other"}}, "metadata.name"),
        ({"metadata": {"ownerReferences": []}}, "metadata.ownerReferences"),
        ({"metadata": {"finalizers": ["a/b"]}}, "metadata.finalizers"),
        ({"spec": {"nodeName": "control-plane"}}, "spec.nodeName"),
        ({"spec": {"ephemeralContainers": []}}, "spec.ephemeralContainers"),
    ],
)
def test_what_no_template_states(pod: str, template: Json, field: str) -> None:
    (problem,) = problems(live_spec(**{pod: {"template": template}}))
    assert problem.field == f"spec.application.{pod}.template.{field}"


def test_a_malformed_pod_is_judged_and_never_a_crash() -> None:
    odd: Json = {"spec": {"containers": [None, {"securityContext": [], "ports": "x"}], "securityContext": "y"}}
    assert violations(odd, Level.RESTRICTED)


class Cluster(NoObjects):
    """Nothing but a namespace: any object that would be made fails the test."""

    def __init__(self, labels: dict[str, str]) -> None:
        self.labels = labels

    async def list_pods(self, namespace: str, selector: str) -> list[Json]:
        return []

    async def read(self, path: str) -> Json:
        if path == "/api/v1/namespaces/iot":
            return {"metadata": {"name": "iot", "labels": self.labels}}
        assert path == "/api/v1/namespaces/iot/secrets/city-traffic-driver"
        return {"data": {"token": "dG9rZW4="}}


def test_nothing_is_made_of_a_job_that_asks_for_too_much() -> None:
    backend = SparkBackend(
        JobRef(namespace="iot", name="city-traffic", uid="job-1"),
        driver(hostPID=True),
        objects=Cluster({ENFORCE_LABEL: "baseline"}),
        drivers=DriverClient(None),
        runtime_image="sparkiot:test",
        runtime_image_pull_policy=None,
        pod_resize=False,
        known=DriverStatus(pod="city-traffic-driver"),
        confinement=Confinement(default_level=Level.PRIVILEGED),
    )
    with pytest.raises(BackendRefusedError, match=r"level baseline of namespace iot: driver: spec\.hostPID") as caught:
        asyncio.run(backend.ensure(Desired(allocation(), generation=1), now=1.0))
    assert caught.value.reason == "PodNotAllowed"
