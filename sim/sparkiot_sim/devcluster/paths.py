"""Paths of the API: which object or collection a request is about, and what it does to it."""

from dataclasses import dataclass

from aiohttp import web

from sparkiot_sim.devcluster.errors import no_such_path
from sparkiot_sim.devcluster.pods import PODS
from sparkiot_sim.devcluster.rbac import Access
from sparkiot_sim.devcluster.registry import Registry
from sparkiot_sim.devcluster.resources import NAMESPACES, Resource
from sparkiot_sim.devcluster.store import Key

TRUE = ("true", "True", "1")
"""How a query says yes; the second spelling is that of Python clients, which Kubernetes understands too."""
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True)
class Target:
    """What a path points to: a collection when `name` is empty; no namespace on a namespaced one means all."""

    resource: Resource
    namespace: str
    name: str
    subresource: str

    @property
    def key(self) -> Key:
        return self.namespace, self.name

    def access(self, request: web.Request) -> Access:
        """What the request does here, in the terms of roles."""
        method, name = request.method, self.name
        if method == "GET":
            watching = request.query.get("watch") in TRUE
            verb = "watch" if watching else "get" if name else "list"
        else:
            verb = _VERBS.get(method) or ("delete" if name else "deletecollection")
        for term in request.query.get("fieldSelector", "").split(","):
            # A list or watch of one object by its name counts as access to that object.
            name = name or term.removeprefix("metadata.name=") * term.startswith("metadata.name=")
        namespace = self.name if self.resource.storage == NAMESPACES else self.namespace
        return Access(
            verb=verb,
            group=self.resource.group,
            resource=self.resource.plural,
            subresource=self.subresource,
            namespace=namespace,
            name=name,
        )


def target(registry: Registry, path: str) -> Target:
    """Raises ApiError 404 for a path that leads nowhere."""
    match path.strip("/").split("/"):
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            raise no_such_path()
    namespace = ""
    if rest[0] == "namespaces" and len(rest) >= 3 and rest[2] != "status":
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource, *beyond = [*rest, "", "", ""][: max(len(rest), 3)]
    resource = registry.find(group, version, plural)
    if any(beyond):
        raise no_such_path()
    served = {
        "": True,
        "status": resource.has_status,
        "scale": resource.scale is not None,
        "log": resource.storage == PODS,
    }
    misplaced = not resource.namespaced if namespace else resource.namespaced and name
    if misplaced or not served.get(subresource):
        raise no_such_path()
    return Target(resource, namespace, name, subresource)
