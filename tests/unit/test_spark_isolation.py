"""The network policy of a live job: whom it lets in, and when the backend brings it about."""

import asyncio
from collections.abc import Mapping
from typing import Any

import kubernetes_validate
import pytest
from support_jobs import allocation
from support_objects import NoObjects
from support_spark import driver_pod, live_spec

from sparkiot_operator.backends import Desired
from sparkiot_operator.backends.spark import SparkBackend
from sparkiot_operator.driver_client import DriverClient
from sparkiot_operator.events import JobRef
from sparkiot_operator.resource.status import DriverStatus
from sparkiot_operator.spark import naming
from sparkiot_operator.spark.isolation import network_policy
from sparkiot_operator.spark.manifests import owned_metadata
from sparkiot_operator.spark.restart_fields import spec_hash

Json = dict[str, Any]
OPERATOR = {"app.kubernetes.io/name": "sparkiot", "app.kubernetes.io/instance": "sparkiot"}
PEERS = [
    {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "sparkiot"}},
        "podSelector": {"matchLabels": OPERATOR},
    }
]
UI_PORT = 4040


def policy() -> Json:
    metadata = owned_metadata(namespace="iot", job="city", uid="job-1")
    return network_policy(metadata, job="city", peers=PEERS)


def admits(policy: Json, *, namespace: str, labels: Mapping[str, str], port: int) -> bool:
    """Whether a pod may connect, by the rules of networking.k8s.io/v1: rules and peers are alternatives, a peer's two
    selectors must both match, and one without a namespace selector stands for the policy's own namespace."""
    for rule in policy["spec"]["ingress"]:
        if "ports" in rule and port not in [p["port"] for p in rule["ports"]]:
            continue
        for peer in rule["from"]:
            home = {"kubernetes.io/metadata.name": namespace}
            if "namespaceSelector" in peer:
                near = peer["namespaceSelector"]["matchLabels"].items() <= home.items()
            else:
                near = namespace == policy["metadata"]["namespace"]
            if near and peer["podSelector"]["matchLabels"].items() <= labels.items():
                return True
    return False


@pytest.mark.parametrize(
    ("namespace", "labels", "ports"),
    [
        ("sparkiot", OPERATOR, {naming.AGENT_PORT}),
        ("iot", naming.labels("city", naming.EXECUTOR), {naming.AGENT_PORT, naming.RPC_PORT, UI_PORT}),
        ("iot", naming.labels("other", naming.DRIVER), set()),
        ("tenant", naming.labels("city", naming.EXECUTOR), set()),
        ("tenant", OPERATOR, set()),
        ("iot", OPERATOR, set()),
        ("sparkiot", {"app.kubernetes.io/name": "sparkiot"}, set()),
    ],
    ids=["operator", "own executor", "another job", "another tenant", "a label", "a label here", "another release"],
)
def test_who_reaches_which_port_of_a_job(namespace: str, labels: dict[str, str], ports: set[int]) -> None:
    asked = (naming.AGENT_PORT, naming.RPC_PORT, UI_PORT)
    assert {port for port in asked if admits(policy(), namespace=namespace, labels=labels, port=port)} == ports


@pytest.mark.parametrize("component", [naming.DRIVER, naming.EXECUTOR])
def test_it_selects_all_pods_of_the_job_and_no_others(component: str) -> None:
    selected = policy()["spec"]["podSelector"]["matchLabels"].items()
    assert selected <= naming.labels("city", component).items()
    assert not selected <= naming.labels("city-2", component).items()


def test_kubernetes_knows_every_field_and_the_job_takes_it_along() -> None:
    built = policy()
    kubernetes_validate.validate(built, kubernetes_validate.latest_version(), strict=True)
    (owner,) = built["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("SparkIoTJob", "city", "job-1")


class Cluster(NoObjects):
    """A running driver, and the objects that are applied or deleted beside it."""

    def __init__(self, pods: list[Json]) -> None:
        self.pods = pods
        self.calls: list[tuple[str, str]] = []

    async def list_pods(self, namespace: str, selector: str) -> list[Json]:
        assert (namespace, selector) == ("iot", "sparkiot.dev/job=city-traffic")
        return self.pods

    async def apply(self, path: str, manifest: Mapping[str, Any], *, manager: str) -> None:
        assert manager == "sparkiot-operator"
        self.calls.append(("apply", path.removesuffix(f"/{manifest['metadata']['name']}")))

    async def delete(self, path: str, *, uid: str | None = None, grace_s: int | None = None) -> None:
        assert (uid, grace_s) == (None, None)
        self.calls.append(("delete", path.rpartition("/")[0]))


DESIRED = Desired(allocation(), generation=1)
COLLECTION = "/apis/networking.k8s.io/v1/namespaces/iot/networkpolicies"


def backend(cluster: Cluster, peers: list[Json]) -> SparkBackend:
    return SparkBackend(
        JobRef(namespace="iot", name="city-traffic", uid="job-1"),
        live_spec(),
        objects=cluster,
        drivers=DriverClient(None),
        runtime_image="sparkiot:test",
        runtime_image_pull_policy=None,
        pod_resize=False,
        known=DriverStatus(pod="city-traffic-driver"),
        peers=peers,
    )


def running() -> Json:
    status = {
        "containerStatuses": [{"name": naming.CONTAINER, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]
    }
    return driver_pod(status=status, annotations={naming.SPEC_HASH_ANNOTATION: spec_hash(live_spec())})


@pytest.mark.parametrize(("peers", "applied"), [(PEERS, [("apply", COLLECTION)]), ([], [])])
def test_a_job_that_runs_already_is_closed_once_by_the_operator_that_takes_it_over(
    peers: list[Json], applied: list[tuple[str, str]]
) -> None:
    cluster = Cluster([running()])

    async def turns() -> None:
        found = backend(cluster, peers)
        await found.ensure(DESIRED, now=1.0)
        await found.ensure(DESIRED, now=2.0)

    asyncio.run(turns())
    assert cluster.calls == applied


@pytest.mark.parametrize(("peers", "deleted"), [(PEERS, True), ([], False)])
def test_what_the_operator_may_not_make_it_does_not_delete(peers: list[Json], deleted: bool) -> None:
    cluster = Cluster([])
    asyncio.run(backend(cluster, peers).stop(now=1.0))
    assert (("delete", COLLECTION) in cluster.calls) is deleted
