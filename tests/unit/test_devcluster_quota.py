"""The embedded cluster's resource quotas: what pods ask for together, and who does not fit any more."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sparkiot_sim.devcluster.admission import WriteOptions
from sparkiot_sim.devcluster.api import Api
from sparkiot_sim.devcluster.errors import ApiError
from sparkiot_sim.devcluster.registry import Registry
from sparkiot_sim.devcluster.store import Store

OPTIONS = WriteOptions()
Json = dict[str, Any]


@pytest.fixture
def api() -> Api:
    store = Store(None, first_revision=1)
    found = Api(store=store, registry=Registry(store), clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    for namespace in ("a", "b"):
        found.create(found.registry.find("", "v1", "namespaces"), "", {"metadata": {"name": namespace}}, OPTIONS)
    return found


def bound(api: Api, hard: Json, **spec: Any) -> None:
    quota = {"metadata": {"name": "tight"}, "spec": {"hard": hard, **spec}}
    api.create(api.registry.find("", "v1", "resourcequotas"), "a", quota, OPTIONS)


def pod(api: Api, name: str, namespace: str = "a", **resources: Json) -> None:
    containers = [{"name": "c", "image": "i", "resources": resources}]
    body = {"metadata": {"name": name}, "spec": {"containers": containers}}
    api.create(api.registry.find("", "v1", "pods"), namespace, body, OPTIONS)


def used(api: Api) -> Json:
    found = api.get(api.registry.find("", "v1", "resourcequotas"), ("a", "tight"))
    return dict(found["status"]["used"])


def test_what_is_used_follows_the_pods_of_the_namespace(api: Api) -> None:
    pod(api, "first", requests={"cpu": "500m", "memory": "1Gi"})
    bound(api, {"pods": "3", "requests.cpu": "2", "memory": "4Gi", "limits.memory": "4Gi"})
    assert used(api) == {"pods": "1", "requests.cpu": "500m", "memory": "1024Mi", "limits.memory": "0Mi"}
    pod(api, "second", limits={"cpu": "1", "memory": "512Mi"})
    pod(api, "elsewhere", namespace="b", requests={"cpu": "9"})
    assert used(api) == {"pods": "2", "requests.cpu": "1500m", "memory": "1536Mi", "limits.memory": "512Mi"}
    pods = api.registry.find("", "v1", "pods")
    api.patch(
        pods,
        ("a", "first"),
        "status",
        {"status": {"phase": "Succeeded"}},
        OPTIONS,
        content_type="application/merge-patch+json",
    )
    assert used(api)["pods"] == "1", "who ended counts no more"
    api.delete(pods, ("a", "second"), {"gracePeriodSeconds": 0})
    assert used(api) == {"pods": "0", "requests.cpu": "0m", "memory": "0Mi", "limits.memory": "0Mi"}


def test_a_pod_that_does_not_fit_is_refused_in_the_words_of_kubernetes(api: Api) -> None:
    bound(api, {"pods": "3", "requests.memory": "2Gi"})
    pod(api, "first", requests={"memory": "1Gi"})
    with pytest.raises(ApiError) as refused:
        pod(api, "second", requests={"memory": "1025Mi"})
    assert refused.value.code == 403
    assert str(refused.value) == (
        'pods "second" is forbidden: exceeded quota: tight, requested: requests.memory=1025Mi, '
        "used: requests.memory=1024Mi, limited: requests.memory=2Gi"
    )
    pod(api, "third", requests={"memory": "1Gi"})
    pod(api, "free", namespace="b", requests={"memory": "9Gi"})


@pytest.mark.parametrize(
    "spec",
    [
        {"hard": {"pods": "many"}},
        {"hard": ["pods"]},
        {"hard": {"pods": "1"}, "scopes": ["BestEffort"]},
        "tight",
    ],
)
def test_a_quota_that_is_not_enforced_here_is_refused(api: Api, spec: Any) -> None:
    quotas = api.registry.find("", "v1", "resourcequotas")
    with pytest.raises(ApiError) as refused:
        api.create(quotas, "a", {"metadata": {"name": "tight"}, "spec": spec}, OPTIONS)
    assert refused.value.code == 400
