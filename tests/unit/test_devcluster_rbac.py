"""Roles: what they grant, and the words of a refusal."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkiot_sim.devcluster.admission import WriteOptions
from sparkiot_sim.devcluster.api import Api
from sparkiot_sim.devcluster.errors import ApiError
from sparkiot_sim.devcluster.identity import Identity, ServiceAccount
from sparkiot_sim.devcluster.rbac import ADMIN, Access, User, authorize
from sparkiot_sim.devcluster.registry import Registry
from sparkiot_sim.devcluster.store import Store

RBAC = "rbac.authorization.k8s.io"
SPARK = User.service_account("iot", "spark")


def cluster(*objects: dict[str, Any]) -> Store:
    store = Store(None, first_revision=1)
    api = Api(store=store, registry=Registry(store), clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    for name in ("iot", "other"):
        api.create(api.registry.find("", "v1", "namespaces"), "", {"metadata": {"name": name}}, WriteOptions())
    for obj in objects:
        resource = api.registry.find(RBAC, "v1", obj["kind"].lower() + "s")
        api.create(resource, obj["metadata"].get("namespace", ""), obj, WriteOptions())
    return store


def role(rule: dict[str, Any], kind: str = "Role") -> dict[str, Any]:
    meta = {"name": "r", **({"namespace": "iot"} if kind == "Role" else {})}
    return {"kind": kind, "metadata": meta, "rules": [rule]}


def binding(subject: dict[str, Any], kind: str = "RoleBinding", to: str = "Role") -> dict[str, Any]:
    meta = {"name": "b", **({"namespace": "iot"} if kind == "RoleBinding" else {})}
    return {"kind": kind, "metadata": meta, "roleRef": {"kind": to, "name": "r"}, "subjects": [subject]}


ACCOUNT = {"kind": "ServiceAccount", "name": "spark", "namespace": "iot"}
PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "get"]}


def allowed(store: Store, user: User = SPARK, **access: str) -> bool:
    given_access = Access(**{"verb": "get", "group": "", "resource": "pods", "namespace": "iot", **access})
    try:
        authorize(store, user, given_access)
    except ApiError:
        return False
    return True


def test_a_role_grants_what_it_names_and_no_more() -> None:
    store = cluster(role(PODS), binding(ACCOUNT))
    assert allowed(store)
    assert allowed(store, verb="create")
    refused = [
        *({"verb": "delete"}, {"resource": "secrets"}, {"group": "apps"}, {"namespace": "other"}, {"namespace": ""}),
        {"subresource": "log"},
    ]
    assert not any(allowed(store, **access) for access in refused)
    assert not allowed(store, User.service_account("iot", "other"))
    assert not allowed(store, User.service_account("other", "spark"))
    assert allowed(cluster(), ADMIN)


@pytest.mark.parametrize(
    ("rule", "granted", "refused"),
    [
        ({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, {"group": "x", "subresource": "log"}, None),
        ({**PODS, "resources": ["pods/log"]}, {"subresource": "log"}, {}),
        ({**PODS, "resources": ["*/log"]}, {"subresource": "log"}, {"subresource": "status"}),
        ({**PODS, "resourceNames": ["a"]}, {"name": "a"}, {"name": "b"}),
        ({**PODS, "resourceNames": ["a"]}, {"name": "a"}, {}),
    ],
)
def test_wildcards_subresources_and_names(rule: Any, granted: Any, refused: Any) -> None:
    store = cluster(role(rule), binding(ACCOUNT))
    assert allowed(store, **granted)
    assert refused is None or not allowed(store, **refused)


def test_cluster_roles_and_groups() -> None:
    wide = role(PODS, "ClusterRole")
    everywhere = cluster(wide, binding(ACCOUNT, "ClusterRoleBinding", "ClusterRole"))
    assert allowed(everywhere, namespace="other")
    assert allowed(everywhere, namespace="")
    within = cluster(wide, binding(ACCOUNT, "RoleBinding", "ClusterRole"))
    assert allowed(within)
    assert not allowed(within, namespace="other")
    group = {"kind": "Group", "name": "system:serviceaccounts:iot"}
    assert allowed(cluster(role(PODS), binding(group)), User.service_account("iot", "any"))


@pytest.mark.parametrize(
    ("access", "message"),
    [
        (
            Access(verb="create", group="", resource="pods", namespace="ns"),
            (
                'pods is forbidden: User "system:serviceaccount:iot:spark" cannot create resource "pods" in API group '
                '"" in the namespace "ns"'
            ),
        ),
        (
            Access(verb="get", group="sparkiot.dev", resource="sparkiotjobs", subresource="status", name="j"),
            (
                'sparkiotjobs.sparkiot.dev "j" is forbidden: User "system:serviceaccount:iot:spark" cannot get '
                'resource "sparkiotjobs/status" in API group "sparkiot.dev" at the cluster scope'
            ),
        ),
    ],
)
def test_the_words_of_a_refusal(access: Access, message: str) -> None:
    with pytest.raises(ApiError) as error:
        authorize(cluster(), SPARK, access)
    assert str(error.value) == message
    assert (error.value.code, error.value.reason) == (403, "Forbidden")


def test_a_binding_to_a_role_that_is_not_there_is_named() -> None:
    with pytest.raises(ApiError, match=rf': RBAC: role\.{RBAC} "r" not found$'):
        authorize(cluster(binding(ACCOUNT)), SPARK, Access(verb="get", group="", resource="pods", namespace="iot"))


IDENTITY = Identity("certificate", "server", "secret")


@given(st.text())
def test_a_made_up_token_is_nobodys(token: str) -> None:
    assert IDENTITY.service_account_of(token) is None


def test_tokens_stand_for_their_account_only() -> None:
    account = ServiceAccount("iot", "spark", "uid-1")
    token = IDENTITY.service_account_token(account)
    assert IDENTITY.service_account_of(token) == account
    assert Identity("certificate", "server", "other").service_account_of(token) is None
    forged = base64.urlsafe_b64encode(b"iot/admin/uid-1").decode() + "." + token.partition(".")[2]
    assert IDENTITY.service_account_of(forged) is None
    assert not IDENTITY.is_admin(token)
