"""What the server serves: one `Resource` per kind and version, and the table of the built-in ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sparkiot_sim.devcluster import pods
from sparkiot_sim.devcluster.errors import Obj

if TYPE_CHECKING:
    from sparkiot_sim.devcluster.schema import StructuralSchema


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of `kubectl get`: a JSONPath (`.status.phase`) or a function of the object."""

    name: str
    source: str | Callable[[Obj], Any]
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True, kw_only=True)
class ScalePaths:
    """Where the `scale` subresource reads and writes, as dotted paths (`.spec.replicas`)."""

    spec_replicas: str
    status_replicas: str
    selector: str = ""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One served kind in one version; `storage` names the set of objects behind it, the same for each version."""

    group: str = ""
    version: str = "v1"
    kind: str
    plural: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    has_status: bool = False
    scale: ScalePaths | None = None
    columns: tuple[Column, ...] = ()  # none: the age
    schema: "StructuralSchema | None" = None
    singular: str = ""
    list_kind: str = ""
    storage: str = ""
    initial: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    selectable_fields: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "singular", self.singular or self.kind.lower())
        object.__setattr__(self, "list_kind", self.list_kind or f"{self.kind}List")
        object.__setattr__(self, "columns", self.columns or (AGE,))
        object.__setattr__(self, "storage", self.storage or f"{self.group}/{self.plural}")

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def custom(self) -> bool:
        return self.schema is not None

    @property
    def gvk(self) -> Obj:
        return {"group": self.group, "version": self.version, "kind": self.kind}

    def view(self, stored: Obj) -> Obj:
        """The stored object as this version shows it; versions differ in name only."""
        return stored if stored["apiVersion"] == self.api_version else {**stored, "apiVersion": self.api_version}


def _size(*fields: str) -> Callable[[Obj], int]:
    return lambda obj: sum(len(obj.get(name) or {}) for name in fields)


def _node_status(node: Obj) -> str:
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready = next((item.get("status") for item in conditions if item.get("type") == "Ready"), "")
    return {"True": "Ready", "False": "NotReady"}.get(ready, "Unknown")


def _last_seen(event: Obj) -> Any:
    times = (event.get("lastTimestamp"), event.get("eventTime"), event["metadata"].get("creationTimestamp"))
    return next(filter(None, times), None)


def _subject(event: Obj) -> str:
    about = event.get("involvedObject") or {}
    return f"{str(about.get('kind', '')).lower()}/{about.get('name', '')}"


AGE = Column(name="Age", source=".metadata.creationTimestamp", type="date")
_STATUS = Column(name="Status", source=".status.phase")
_TYPE = Column(name="Type", source=".type")
_DATA = Column(name="Data", source=_size("data", "binaryData"), type="integer")
_EVENT_COLUMNS = (
    Column(name="Last Seen", source=_last_seen, type="date"),
    _TYPE,
    Column(name="Reason", source=".reason"),
    Column(name="Object", source=_subject),
    Column(name="Message", source=".message"),
)
_EVENT_FIELDS = (
    *("type", "reason", "reportingComponent", "source"),
    *(f"involvedObject.{name}" for name in ("kind", "name", "namespace", "uid", "apiVersion", "fieldPath")),
)
_POD_COLUMNS = (
    Column(name="Ready", source=pods.shown_ready),
    Column(name="Status", source=pods.shown_status),
    Column(name="Restarts", source=pods.restarts, type="integer"),
    AGE,
    Column(name="IP", source=".status.podIP", priority=1),
    Column(name="Node", source=".spec.nodeName", priority=1),
)
_NODE_COLUMNS = (
    Column(name="Status", source=_node_status),
    AGE,
    Column(name="Version", source=".status.nodeInfo.kubeletVersion"),
    Column(name="Internal-IP", source='.status.addresses[?(@.type=="InternalIP")].address', priority=1),
)
_POD_FIELDS = ("spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "status.phase", "status.podIP")
_DEPLOYMENT_COLUMNS = (
    Column(name="Desired", source=".spec.replicas", type="integer"),
    Column(name="Available", source=".status.availableReplicas", type="integer"),
    AGE,
)
_RBAC = (("Role", True), ("RoleBinding", True), ("ClusterRole", False), ("ClusterRoleBinding", False))

BUILT_IN: tuple[Resource, ...] = (
    Resource(
        kind="Namespace", plural="namespaces", short_names=("ns",), namespaced=False, has_status=True,
        columns=(_STATUS, AGE), initial={"status": {"phase": "Active"}},
    ),
    Resource(kind="ConfigMap", plural="configmaps", short_names=("cm",), columns=(_DATA, AGE)),
    Resource(kind="Secret", plural="secrets", columns=(_TYPE, _DATA, AGE), initial={"type": "Opaque"}),
    Resource(
        kind="Service", plural="services", short_names=("svc",), categories=("all",), has_status=True,
        columns=(Column(name="Type", source=".spec.type"), Column(name="Cluster-IP", source=".spec.clusterIP"), AGE),
        initial={"spec": {"type": "ClusterIP"}, "status": {"loadBalancer": {}}},
    ),
    Resource(kind="ServiceAccount", plural="serviceaccounts", short_names=("sa",)),
    Resource(
        kind="Pod", plural="pods", short_names=("po",), categories=("all",), has_status=True,
        columns=_POD_COLUMNS,
        initial={"status": {"phase": "Pending"}}, selectable_fields=_POD_FIELDS,
    ),
    Resource(
        kind="Event", plural="events", short_names=("ev",), columns=_EVENT_COLUMNS, selectable_fields=_EVENT_FIELDS,
    ),
    Resource(
        kind="PersistentVolumeClaim", plural="persistentvolumeclaims", short_names=("pvc",), has_status=True,
        columns=(_STATUS, AGE), initial={"status": {"phase": "Pending"}},
    ),
    Resource(kind="ResourceQuota", plural="resourcequotas", short_names=("quota",), has_status=True),
    Resource(
        kind="Node", plural="nodes", short_names=("no",), namespaced=False, has_status=True, columns=_NODE_COLUMNS,
    ),
    Resource(group="coordination.k8s.io", kind="Lease", plural="leases"),
    # What a chart installs besides: stored as they come, without the controllers that act on them.
    Resource(
        group="apps", kind="Deployment", plural="deployments", short_names=("deploy",), categories=("all",),
        has_status=True, columns=_DEPLOYMENT_COLUMNS,
    ),
    Resource(group="policy", kind="PodDisruptionBudget", plural="poddisruptionbudgets", short_names=("pdb",),
             has_status=True),
    Resource(group="networking.k8s.io", kind="NetworkPolicy", plural="networkpolicies", short_names=("netpol",)),
    *(
        Resource(group="rbac.authorization.k8s.io", kind=kind, plural=f"{kind.lower()}s", namespaced=namespaced)
        for kind, namespaced in _RBAC
    ),
    Resource(
        group="apiextensions.k8s.io", kind="CustomResourceDefinition", plural="customresourcedefinitions",
        short_names=("crd", "crds"), namespaced=False, has_status=True,
    ),
)  # fmt: skip

NAMESPACES, SERVICE_ACCOUNTS, EVENTS = "/namespaces", "/serviceaccounts", "/events"
FIRST_NAMESPACES = ("default", "kube-system")
"""What a cluster begins with, and never deletes."""
CRDS = "apiextensions.k8s.io/customresourcedefinitions"
