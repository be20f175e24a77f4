"""What clients learn about the server: versions, groups, resources; classic and aggregated discovery."""

from collections.abc import Iterable

from sparkiot_sim.devcluster.errors import Obj
from sparkiot_sim.devcluster.registry import Registry
from sparkiot_sim.devcluster.resources import Resource

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_SUBRESOURCE_VERBS = ["get", "patch", "update"]

# The Kubernetes release whose behaviour is followed; clients switch features by it.
VERSION: Obj = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0+sparkiot-dev",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}


def _subresources(resource: Resource) -> Iterable[tuple[str, Obj]]:
    if resource.has_status:
        yield "status", resource.gvk
    if resource.scale:
        yield "scale", {"group": "autoscaling", "version": "v1", "kind": "Scale"}


def _group(group: str, versions: Iterable[str]) -> Obj:
    entries = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": entries, "preferredVersion": entries[0]}


def group_list(registry: Registry) -> Obj:
    """`/apis`"""
    groups = [_group(group, versions) for group, versions in registry.groups().items() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(registry: Registry, name: str) -> Obj | None:
    """`/apis/GROUP`, None when there is no such group."""
    versions = registry.groups().get(name)
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)} if versions else None


def resource_list(registry: Registry, group: str, version: str) -> Obj | None:
    """`/api/v1` and `/apis/GROUP/VERSION`, None when there is none."""
    resources = registry.groups().get(group, {}).get(version)
    if resources is None:
        return None
    entries: list[Obj] = []
    for resource in resources:
        entry: Obj = {
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": list(resource.verbs),
        }
        if resource.short_names:
            entry["shortNames"] = list(resource.short_names)
        if resource.categories:
            entry["categories"] = list(resource.categories)
        entries.append(entry)
        for name, gvk in _subresources(resource):
            foreign = {} if gvk == resource.gvk else {"group": gvk["group"], "version": gvk["version"]}
            entries.append(
                {
                    "name": f"{resource.plural}/{name}",
                    "singularName": "",
                    "namespaced": resource.namespaced,
                    "kind": gvk["kind"],
                    "verbs": _SUBRESOURCE_VERBS,
                    **foreign,
                }
            )
    full = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": full, "resources": entries}


def aggregated(registry: Registry, *, core: bool) -> Obj:
    """`/api` (`core`) or `/apis` as one document with all resources."""
    items = [
        {
            "metadata": {"name": name or None, "creationTimestamp": None},
            "versions": [
                {"version": version, "freshness": "Current", "resources": [_entry(res) for res in resources]}
                for version, resources in versions.items()
            ],
        }
        for name, versions in registry.groups().items()
        if core == (name == "")
    ]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _entry(resource: Resource) -> Obj:
    return {
        "resource": resource.plural,
        "responseKind": resource.gvk,
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
        "shortNames": list(resource.short_names),
        "categories": list(resource.categories),
        "subresources": [
            {"subresource": name, "responseKind": gvk, "verbs": _SUBRESOURCE_VERBS}
            for name, gvk in _subresources(resource)
        ],
    }
