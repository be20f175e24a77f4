"""A pod's variables and volumes, from its manifest and the objects that it refers to."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkiot_sim.devcluster import DevCluster
from sparkiot_sim.devcluster.errors import ApiError, Obj
from sparkiot_sim.devcluster.tables import json_path
from sparkiot_sim.nodeagent.command import expand

ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
ACCOUNT_VOLUME = "kube-api-access"


class ConfigError(Exception):
    """Something that a pod refers to is not there (yet); the message is the one of a kubelet."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """What a pod learns from its node."""

    pod_ip: str
    host_ip: str


class PodConfig:
    """Reads what one pod refers to. `folder` is the pod's own; its volumes become folders below it."""

    def __init__(self, cluster: DevCluster, pod: Obj, folder: Path, address: Address) -> None:
        self._cluster = cluster
        self._pod = pod
        self._folder = folder
        self._address = address
        self._namespace: str = pod["metadata"]["namespace"]

    # Variables

    def variables(self, container: Obj) -> dict[str, str]:
        """The container's variables as a kubelet would give them. Raises ConfigError for a reference to nothing."""
        _, _, port = self._cluster.url.rpartition(":")
        found = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": port}
        for source in container.get("envFrom") or ():
            kind = "configMapRef" if "configMapRef" in source else "secretRef"
            data = self._data(kind.removesuffix("Ref"), source.get(kind) or {})
            found |= {source.get("prefix", "") + key: value.decode() for key, value in data.items()}
        for entry in container.get("env") or ():
            reference = entry.get("valueFrom")
            value = self._referred(reference, container) if reference else expand(entry.get("value") or "", found)
            if value is not None:
                found[entry["name"]] = value
        return found

    def _referred(self, source: Obj, container: Obj) -> str | None:
        if reference := source.get("fieldRef"):
            return self._field(reference.get("fieldPath", ""))
        if reference := source.get("resourceFieldRef"):
            return self._resource(reference, container)
        kind = "configMap" if "configMapKeyRef" in source else "secret"
        reference = source.get(f"{kind}KeyRef") or {}
        data, key = self._data(kind, reference), reference.get("key", "")
        if key in data:
            return data[key].decode()
        if reference.get("optional"):
            return None
        raise ConfigError(f"couldn't find key {key} in {_KINDS[kind]} {self._namespace}/{reference.get('name')}")

    def _field(self, path: str) -> str:
        own = {"status.podIP": self._address.pod_ip, "status.podIPs": self._address.pod_ip}
        own |= {"status.hostIP": self._address.host_ip, "status.hostIPs": self._address.host_ip}
        if path in own:
            return own[path]
        if path in ("metadata.labels", "metadata.annotations"):
            pairs = self._pod["metadata"].get(path.partition(".")[2]) or {}
            return "\n".join(f'{key}="{value}"' for key, value in sorted(pairs.items()))
        try:
            return str(next(iter(json_path(self._pod, path)), ""))
        except ValueError as error:
            raise ConfigError(f"unsupported fieldPath: {path}") from error

    def _resource(self, reference: Obj, container: Obj) -> str:
        kind, _, name = str(reference.get("resource", "")).partition(".")
        return str(((container.get("resources") or {}).get(kind) or {}).get(name, "0"))

    # Volumes

    def mount_all(self) -> dict[str, Path]:
        """Makes every volume's folder; by volume name. Raises ConfigError for what cannot be mounted."""
        found = {}
        for volume in self._pod["spec"].get("volumes") or ():
            found[volume["name"]] = self._mount(volume, self._folder / "volumes" / volume["name"])
        if self._pod["spec"].get("automountServiceAccountToken") is not False:
            found[ACCOUNT_VOLUME] = self._folder / "volumes" / ACCOUNT_VOLUME
            _write(found[ACCOUNT_VOLUME], self._account_files())
        return found

    def renew(self) -> None:
        """Brings the files of secrets and ConfigMaps up to date. Raises ConfigError for what is no longer there."""
        for volume in self._pod["spec"].get("volumes") or ():
            if not _KINDS.keys().isdisjoint(volume):
                folder, files = self._folder / "volumes" / volume["name"], self._files(volume)
                _write(folder, files)
                for path in folder.rglob("*"):
                    if path.is_file() and str(path.relative_to(folder)) not in files:
                        path.unlink()

    def _mount(self, volume: Obj, folder: Path) -> Path:
        if path := (volume.get("hostPath") or {}).get("path"):
            if "Create" in (volume["hostPath"].get("type") or ""):
                Path(path).mkdir(parents=True, exist_ok=True)
            if not Path(path).exists():
                raise ConfigError(f'hostPath of volume "{volume["name"]}": {path} does not exist')
            return Path(path)
        if "emptyDir" in volume:
            folder.mkdir(parents=True, exist_ok=True)
        elif "projected" in volume:
            for source in volume["projected"].get("sources") or ():
                _write(folder, self._files(source))
        else:
            _write(folder, self._files(volume))
        return folder

    def _files(self, source: Obj) -> dict[str, bytes]:
        """Content by relative path of one volume source."""
        if account := source.get("serviceAccountToken"):
            return {account.get("path", "token"): self._account_files()["token"]}
        if items := (source.get("downwardAPI") or {}).get("items"):
            return {
                item["path"]: self._field((item.get("fieldRef") or {}).get("fieldPath", "")).encode() for item in items
            }
        kind = next((kind for kind in _KINDS if kind in source), None)
        if kind is None:
            others = sorted(set(source) - {"name"})
            raise ConfigError(f"volumes of type {', '.join(others)} are not supported by the embedded cluster")
        reference = source[kind] or {}
        data = self._data(kind, {"name": reference.get("secretName"), **reference})
        if reference.get("items") is None:
            return data
        try:
            return {item["path"]: data[item["key"]] for item in reference["items"]}
        except KeyError as error:
            raise ConfigError(f"{_KINDS[kind]} {self._namespace}/{reference.get('name')} has no key {error}") from error

    def _data(self, kind: str, reference: Obj) -> dict[str, bytes]:
        plural, name = f"{kind.lower()}s", str(reference.get("name"))
        try:
            obj: Any = self._cluster.api.get(self._cluster.api.registry.find("", "v1", plural), (self._namespace, name))
        except ApiError as error:
            if reference.get("optional"):
                return {}
            raise ConfigError(str(error)) from error
        decoded = obj.get("data" if kind == "secret" else "binaryData") or {}
        plain = {} if kind == "secret" else obj.get("data") or {}
        return {
            **{key: base64.b64decode(value) for key, value in decoded.items()},
            **{key: value.encode() for key, value in plain.items()},
        }

    def _account_files(self) -> dict[str, bytes]:
        account = self._pod["spec"]["serviceAccountName"]
        try:
            token = self._cluster.service_account_token(self._namespace, account)
        except ApiError as error:
            raise ConfigError(f"failed to fetch token: {error}") from error
        files = {"token": token, "ca.crt": self._cluster.identity.certificate, "namespace": self._namespace}
        return {name: text.encode() for name, text in files.items()}


_KINDS: Mapping[str, str] = {"configMap": "ConfigMap", "secret": "Secret"}


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, content in files.items():
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise ConfigError(f"the path {name!r} leads out of its volume")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.read_bytes() == content:
            continue
        beside = path.with_name(f"..{path.name}")
        beside.write_bytes(content)
        beside.replace(path)  # at once: who reads it sees the old content or the new


def mounts(container: Obj, volumes: Mapping[str, Path]) -> dict[str, Path]:
    """Mount path -> folder of this container; the service account's files are where every pod finds them."""
    found = {ACCOUNT_FOLDER: volumes[ACCOUNT_VOLUME]} if ACCOUNT_VOLUME in volumes else {}
    for mount in container.get("volumeMounts") or ():
        folder = volumes[mount["name"]]
        found[mount["mountPath"].rstrip("/")] = folder / mount["subPath"] if mount.get("subPath") else folder
    return found
