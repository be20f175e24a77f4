"""What a job's pods may ask for: the namespace's pod security level, folders of nodes, and other service accounts.

Whoever creates a SparkIoTJob need not be allowed to create pods, but the operator creates one for them: these are the
rules by which it is no way around those of the cluster. Where Kubernetes' own Pod Security admission enforces a level,
it has the last word on every pod, also on those that a driver makes by itself.
"""

import json
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain
from typing import Any

from .config import EXECUTOR_TEMPLATE
from .manifests import DriverObjects
from .pod_security import Level, violations

Json = Mapping[str, Any]

ENFORCE_LABEL = "pod-security.kubernetes.io/enforce"
_VOLUMES = "spark.kubernetes.executor.volumes."


@dataclass(frozen=True, slots=True, kw_only=True)
class Confinement:
    """The operator's settings of it.

    default_level: in a namespace whose label names none. host_paths: folders of nodes that a pod may mount whatever the
    level; one that ends in / stands for all below it too. service_accounts: NAMESPACE/NAME of accounts that a job may
    name, with * for any part of it.
    """

    default_level: Level = Level.RESTRICTED
    host_paths: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()

    def level(self, labels: Mapping[str, str]) -> Level:
        """Of a namespace with these labels. A level that Kubernetes does not know is none, as it sees it."""
        stated = labels.get(ENFORCE_LABEL)
        return Level(stated) if stated in set(Level) else self.default_level


def refusals(rules: Confinement, level: Level, objects: DriverObjects, *, conf: Mapping[str, str]) -> list[str]:
    """Why a job's objects may not be made; none where they may.

    level: of their namespace. conf: the job's own Spark properties, which may mount volumes into executors.
    """
    driver = objects.pod
    executor = json.loads(objects.config_map["data"][EXECUTOR_TEMPLATE])
    mounted = {"spec": {"volumes": list(_conf_volumes(conf))}}
    own = objects.service_account["metadata"]["name"] if objects.service_account else None
    found = list[str]()
    for whose, pod in (("driver", driver), ("executor", executor), ("executor", mounted)):
        accounts = _accounts(rules, driver["metadata"]["namespace"], own, pod)
        said = (violations(pod, level), _host_paths(rules, level, pod), accounts)
        found += [f"{whose}: {text}" for text in chain(*said)]
    return list(dict.fromkeys(found))


def _host_paths(rules: Confinement, level: Level, pod: Json) -> Iterator[str]:
    for volume in pod["spec"].get("volumes") or ():
        if level is Level.PRIVILEGED or "hostPath" not in volume:
            continue
        path = str((volume["hostPath"] or {}).get("path", ""))
        if not any(_covers(allowed, path) for allowed in rules.host_paths):
            yield f"the folder {path or '(none)'} of the node is not among the operator's host-paths"


def _covers(allowed: str, path: str) -> bool:
    plain = posixpath.normpath(path)
    if not path.startswith("/") or ".." in path.split("/"):
        return False
    root = posixpath.normpath(allowed)
    return plain == root or (allowed.endswith("/") and plain.startswith(f"{root.rstrip('/')}/"))


def _accounts(rules: Confinement, namespace: str, own_account: str | None, pod: Json) -> Iterator[str]:
    for field in ("serviceAccountName", "serviceAccount"):
        name = pod["spec"].get(field)
        if name in (None, "", own_account):
            continue
        if not any(fnmatchcase(f"{namespace}/{name}", pattern) for pattern in rules.service_accounts):
            yield f"spec.{field}: {namespace}/{name} is not among the operator's job-service-accounts"


def _conf_volumes(conf: Mapping[str, str]) -> Iterator[Json]:
    """Volumes that Spark mounts into executors for ``…volumes.KIND.NAME.options.path`` and its like."""
    for key, value in conf.items():
        if key.startswith(_VOLUMES):
            kind, _, rest = key.removeprefix(_VOLUMES).partition(".")
            name, _, field = rest.partition(".")
            if kind != "hostPath":
                yield {"name": name, kind: {}}
            elif field == "options.path":
                yield {"name": name, kind: {"path": value}}
