"""Rights that are granted, and rights that were used: roles against the API server's audit log."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from sparkiot_sim.devcluster.identity import Identity, ServiceAccount

Json = dict[str, Any]
RENDERED = Path(__file__).parent / "integration" / "golden" / "chart-namespaced.yaml"
"""The chart's roles for named namespaces; the tests of its templates keep this file equal to what helm renders."""

ACCOUNT = "sparkiot"
"""Name of the chart's service account, of its lease, and first part of the names of its roles."""


@dataclass(frozen=True, order=True)
class Right:
    """One verb on one resource, a subresource after a slash."""

    group: str
    resource: str
    verb: str

    @classmethod
    def of(cls, rules: Iterable[Json]) -> set[Self]:
        return {
            cls(g, r, v) for rule in rules for g in rule["apiGroups"] for r in rule["resources"] for v in rule["verbs"]
        }


ASKED_BY_ADMISSION = {Right("sparkiot.dev", "sparkiotjobs/finalizers", "update")}
"""No request needs it, so no log shows it: the admission plugin OwnerReferencesPermissionEnforcement asks for it."""
ASKED_OF_OLD_SERVERS = {Right("", "services", "list")}
"""Where services cannot be deleted as a collection (405, such as Kubernetes 1.20), Spark lists them instead."""


def chart_objects(namespace: str, *, account: str = ACCOUNT) -> list[Json]:
    """The chart's service account, roles and bindings, as for an operator that lives and watches in one namespace.

    account: whose rights they are; roles and bindings of several accounts stand side by side.
    """
    found = [
        item
        for item in yaml.safe_load_all(RENDERED.read_text())
        if item["kind"] in ("ServiceAccount", "Role", "RoleBinding")
        and item["metadata"]["namespace"] != "health"
        and "helm.sh/hook" not in item["metadata"].get("annotations", {})
    ]
    for item in found:
        name = item["metadata"]["name"].replace(ACCOUNT, account, 1)
        item["metadata"] = {"name": name, "namespace": namespace}
        if item["kind"] == "RoleBinding":
            item["roleRef"]["name"] = name
            item["subjects"] = [{"kind": "ServiceAccount", "name": account, "namespace": namespace}]
    return found


def chart_rights(part: str) -> set[Right]:
    """What one of the chart's two roles grants: ``operator`` or ``drivers``."""
    (role,) = [
        found
        for found in yaml.safe_load_all(RENDERED.read_text())
        if found["kind"] == "Role"
        and found["metadata"] == {**found["metadata"], "name": f"sparkiot-{part}", "namespace": "city"}
    ]
    return Right.of(role["rules"])


def used(audit_log: Path, user: str) -> tuple[set[Right], set[Right]]:
    """What a user asked for and got, and what was refused. An apply that created something used ``create`` too."""
    got, refused = set(), set()
    with audit_log.open() as lines:
        for event in map(json.loads, lines):
            if event["user"]["username"] != user:
                continue
            about, code = event["objectRef"], event["responseStatus"]["code"]
            resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
            right = Right(about.get("apiGroup", ""), resource, event["verb"])
            (refused if code == 403 else got).add(right)
            if (event["verb"], code) == ("patch", 201):
                got.add(Right(right.group, right.resource, "create"))
    return got, refused


def account_kubeconfig(admin: Path, account: ServiceAccount, target: Path) -> Path:
    """A kubeconfig of the same embedded cluster for a service account: its roles hold for whoever uses it."""
    config = yaml.safe_load(admin.read_text())
    identity = Identity(certificate="", server="", token=config["users"][0]["user"]["token"])
    config["users"][0]["user"] = {"token": identity.service_account_token(account)}
    target.write_text(yaml.safe_dump(config))
    return target
