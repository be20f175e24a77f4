"""Looks at the cluster past the weather, straight at the API server: what is true there, not what anyone was told."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes import client as kube_client
from kubernetes import config as kube_config

Json = dict[str, Any]
AGAIN_S = 0.3
MERGE_PATCH = "application/merge-patch+json"
GROUP = "/apis/sparkiot.dev/v1alpha1"


class UnreachableError(Exception):
    """The API server gave no answer."""


class RefusedError(Exception):
    """It answered that it will not."""


class Client:
    """A thin edge: one method a call, JSON in and out; raises UnreachableError or RefusedError.

    timeout_s: until a call counts as one without an answer. patience_s: for how long one is made again then.
    """

    def __init__(self, kubeconfig: Path, namespace: str, *, timeout_s: float, patience_s: float) -> None:
        own = kube_client.Configuration()
        kube_config.load_kube_config(str(kubeconfig), client_configuration=own)
        token = own.get_api_key_with_prefix("BearerToken") or own.get_api_key_with_prefix("authorization")
        self._headers = {"Accept": "application/json", **({"Authorization": token} if token else {})}
        self._server = own.host.rstrip("/")
        self._http = urllib3.PoolManager(
            ca_certs=own.ssl_ca_cert, cert_file=own.cert_file, key_file=own.key_file, retries=False, timeout=timeout_s
        )
        self._namespace, self._patience_s = namespace, patience_s

    def jobs_path(self, name: str = "") -> str:
        return f"{GROUP}/namespaces/{self._namespace}/sparkiotjobs" + (f"/{name}" if name else "")

    def core_path(self, resource: str) -> str:
        return f"/api/v1/namespaces/{self._namespace}/{resource}"

    def path(self, group: str, resource: str) -> str:
        return f"/apis/{group}/namespaces/{self._namespace}/{resource}"

    def get(self, path: str, **query: str) -> Json:
        return self._call("GET", path, query=query)

    def items(self, path: str, **query: str) -> list[Json]:
        return list(self.get(path, **query).get("items", []))

    def create(self, path: str, manifest: Mapping[str, Any]) -> Json:
        return self._call("POST", path, body=manifest)

    def merge(self, path: str, patch: Mapping[str, Any]) -> Json:
        return self._call("PATCH", path, body=patch, content_type=MERGE_PATCH)

    def delete(self, path: str) -> None:
        self._call("DELETE", path)

    def _call(self, method: str, path: str, **request: Any) -> Json:
        until = time.monotonic() + self._patience_s
        while True:
            try:
                return self._once(method, path, **request)
            except UnreachableError:
                if time.monotonic() >= until:
                    raise
                time.sleep(AGAIN_S)

    def _once(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> Json:
        try:
            answer = self._http.request(
                method,
                self._server + path + (f"?{urlencode(query)}" if query else ""),
                body=None if body is None else json.dumps(body),
                headers=self._headers | {"Content-Type": content_type},
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise UnreachableError(f"{method} {path}: {type(error).__name__}") from error
        if answer.status >= 400:
            raise RefusedError(f"{method} {path}: {answer.status} {answer.data[:300].decode(errors='replace')}")
        return dict(json.loads(answer.data))


@dataclass(frozen=True, slots=True)
class View:
    """The cluster at one moment. jobs, by name: the live and the simulated ones. pods: all of the namespace."""

    jobs: Mapping[str, Json]
    pods: tuple[Json, ...]
    lease: Json

    def status(self, job: str) -> Json:
        return dict(self.jobs.get(job, {}).get("status") or {})

    def condition(self, job: str, kind: str) -> str:
        """True, False, Unknown, or empty where there is none."""
        return next((str(c["status"]) for c in self.status(job).get("conditions", []) if c["type"] == kind), "")

    def drivers(self, job: str) -> list[Json]:
        """Driver pods that have not ended."""
        return [
            pod
            for pod in self.pods
            if (pod["metadata"].get("labels") or {}).get("sparkiot.dev/job") == job
            and pod["metadata"]["labels"].get("app.kubernetes.io/component") == "driver"
            and pod["status"].get("phase") not in ("Succeeded", "Failed")
        ]
