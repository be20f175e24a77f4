"""All objects of a live job, as pure functions of its spec: equal requests give equal objects."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparkiot_operator.resource import API_VERSION, KIND
from sparkiot_operator.resource.spec import SparkIoTJobSpec
from sparkiot_operator.resource.translate import InvalidSpecError

from . import access, naming
from .allocation import AllocationRequest
from .config import config_files
from .pod import driver_pod
from .properties import Capabilities, resizes
from .restart_fields import restart_fields, spec_hash, write_annotation
from .tiers import driver_environment, host_path
from .validation import problems, required_application

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverRequest:
    """What a driver is made from.

    namespace, name, uid: of the SparkIoTJob. allocation: the one to start with. runtime_image: holds the driver's
    runtime. token: authorises calls of the driver's endpoint; secret. issued: when it was made, epoch seconds.
    """

    namespace: str
    name: str
    uid: str
    spec: SparkIoTJobSpec
    allocation: AllocationRequest
    runtime_image: str
    runtime_pull_policy: str | None
    token: str
    issued: float
    capabilities: Capabilities

    def __repr__(self) -> str:
        return f"DriverRequest({self.namespace}/{self.name})"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DriverObjects:
    """The objects of a job; the first three are None when the user names a service account."""

    service_account: Json | None
    role: Json | None
    role_binding: Json | None
    secret: Json
    config_map: Json
    service: Json
    pod: Json
    spec_hash: str

    def in_order(self) -> list[tuple[str, Json]]:
        """Each object with the path of its collection; what others refer to first, the pod last."""
        found = (
            self.service_account,
            self.role,
            self.role_binding,
            self.secret,
            self.config_map,
            self.service,
            self.pod,
        )
        return [(_collection(manifest), manifest) for manifest in found if manifest is not None]


def build_objects(request: DriverRequest) -> DriverObjects:
    """Everything that a job's driver needs. Raises InvalidSpecError, whose problems say which field to mend."""
    spec = request.spec
    if wrong := problems(spec):
        raise InvalidSpecError(wrong)
    application = required_application(spec)
    base = naming.base_name(request.name)
    metadata = owned_metadata(namespace=request.namespace, job=request.name, uid=request.uid)
    hashed = spec_hash(spec)
    account = application.service_account_name
    resize = resizes(application, request.capabilities)
    files = config_files(
        spec,
        application,
        name=request.name,
        namespace=request.namespace,
        uid=request.uid,
        capabilities=request.capabilities,
    )
    annotations = {
        naming.SPEC_HASH_ANNOTATION: hashed,
        naming.RESTART_FIELDS_ANNOTATION: write_annotation(restart_fields(spec)),
    }
    pod = driver_pod(
        application,
        metadata=metadata | {"annotations": annotations},
        service_account=account or base,
        allocation=request.allocation,
        runtime_image=request.runtime_image,
        runtime_pull_policy=request.runtime_pull_policy,
        secrets=driver_environment(spec),
        warm_path=host_path(spec),
    )
    return DriverObjects(
        service_account=None if account else access.service_account(metadata),
        role=None if account else access.role(metadata, job=request.name, resize=resize),
        role_binding=None if account else access.role_binding(metadata),
        secret=access.secret(metadata, token=request.token, issued=request.issued),
        config_map=access.config_map(metadata, files=files),
        service=access.service(metadata, job=request.name),
        pod=pod,
        spec_hash=hashed,
    )


def owned_metadata(*, namespace: str, job: str, uid: str) -> Json:
    """Of an object of a job, which goes with it. uid: of the SparkIoTJob."""
    return {
        "name": naming.base_name(job),
        "namespace": namespace,
        "labels": naming.labels(job, naming.DRIVER),
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "name": job,
                "uid": uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }


_PLURALS = {
    "ServiceAccount": "serviceaccounts",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "Secret": "secrets",
    "ConfigMap": "configmaps",
    "Service": "services",
    "Pod": "pods",
}


def _collection(manifest: Mapping[str, Any]) -> str:
    version = manifest["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    return f"{root}/namespaces/{manifest['metadata']['namespace']}/{_PLURALS[manifest['kind']]}"
