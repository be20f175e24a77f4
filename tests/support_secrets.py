"""Looking for secrets in everything that a run wrote, and in the processes that it started."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import psutil
import yaml
from support_live import Embedded, Json

from sparkiot_sim.devcluster.identity import Identity, ServiceAccount

OBJECTS = "sij,pods,events,configmaps,services,serviceaccounts,roles,rolebindings,networkpolicies"


def leaks(secrets: Mapping[str, str], places: Iterable[tuple[str, str]]) -> list[str]:
    """Which secret, by its name, stands in which place: as it is, in base64, quoted for a URL, or as JSON writes it."""
    forms = {
        name: {
            secret,
            base64.b64encode(secret.encode()).decode().rstrip("="),
            quote(secret, safe=""),
            json.dumps(secret)[1:-1],
        }
        for name, secret in secrets.items()
    }
    return [
        f"{name} in {where}" for where, text in places for name, found in forms.items() if any(f in text for f in found)
    ]


def accounts(cluster: Embedded) -> dict[str, str]:
    """The tokens of the cluster's administrator and of all service accounts of the jobs' namespace."""
    admin = yaml.safe_load(cluster.kubeconfig.read_text())["users"][0]["user"]["token"]
    identity = Identity(certificate="", server="", token=admin)
    found = [item["metadata"] for item in json.loads(cluster("get", "serviceaccounts", "-o", "json"))["items"]]
    tokens = {
        f"the token of account {meta['name']}": identity.service_account_token(
            ServiceAccount(cluster.namespace, meta["name"], meta["uid"])
        )
        for meta in found
    }
    return {"the administrator's token": admin, **tokens}


def driver_tokens(cluster: Embedded) -> dict[str, str]:
    """Those that the drivers' Secrets hold now."""
    label = "app.kubernetes.io/managed-by=sparkiot"
    return {
        f"{key} of {item['metadata']['name']}": base64.b64decode(value).decode()
        for item in json.loads(cluster("get", "secrets", "-l", label, "-o", "json"))["items"]
        for key, value in item["data"].items()
    }


def written(cluster: Embedded) -> Iterator[tuple[str, str]]:
    """Logs, audit logs, the objects of the API but for Secrets, and what the pods said."""
    for file in sorted(path for path in cluster.folder.rglob("*") if path.is_file()):
        if not file.is_relative_to(cluster.folder / "cluster") and file not in cluster.credentials:
            yield str(file.relative_to(cluster.folder)), file.read_text(errors="replace")
    yield "objects", cluster("get", OBJECTS, "-o", "yaml")
    for pod in cluster("get", "pods", "-o", "name").split():
        yield f"log of {pod}", cluster.kubectl.run("-n", cluster.namespace, "logs", pod).stdout


def processes(cluster: Embedded) -> Iterator[tuple[str, psutil.Process]]:
    """The operator, and the embedded cluster with every process of its pods."""
    assert cluster.operator is not None
    for root in (cluster.operator.pid, cluster.cluster.pid):
        parent = psutil.Process(root)
        for process in (parent, *parent.children(recursive=True)):
            yield f"process {process.pid}", process


def arguments(cluster: Embedded) -> Iterator[tuple[str, str]]:
    for name, process in processes(cluster):
        yield f"arguments of {name}", _proc(process, "cmdline")


def environments(cluster: Embedded) -> Iterator[tuple[str, str]]:
    for name, process in processes(cluster):
        yield f"environment of {name}", _proc(process, "environ")


def _proc(process: psutil.Process, file: str) -> str:
    """Nothing of one that has ended meanwhile."""
    try:
        return Path(f"/proc/{process.pid}/{file}").read_bytes().replace(b"\0", b"\n").decode(errors="replace")
    except OSError:
        return ""


def secret(name: str, **values: str) -> Json:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}
