"""The two things that the supervisor asks the cluster's API itself: the desired allocation, and cleaning up."""

from __future__ import annotations

import json
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Mapping

from sparkiot_driver.allocation import Allocation, InvalidAllocationError
from sparkiot_driver.config import Job

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TIMEOUT_SECONDS = 10


class ApiUnavailableError(Exception):
    """The API did not answer or refused; the message says which."""


def api_url(environ: Mapping[str, str]) -> str:
    """``https://host:port`` of the cluster's API as each pod's environment names it; KeyError outside of a pod."""
    host = environ["KUBERNETES_SERVICE_HOST"]
    return f"https://{'[' + host + ']' if ':' in host else host}:{environ['KUBERNETES_SERVICE_PORT']}"


class KubeApi:
    """Requests with the pod's service account; the token is read anew for each, because it rotates."""

    def __init__(self, job: Job, environ: Mapping[str, str]) -> None:
        """Raises KeyError outside of a pod."""
        self._job = job
        self.url = api_url(environ)
        self._token = Path(environ.get("KUBERNETES_AUTH_SERVICEACCOUNT_TOKEN", str(ACCOUNT / "token")))
        self._ca = environ.get("KUBERNETES_CERTS_CA_FILE", str(ACCOUNT / "ca.crt"))

    @classmethod
    def from_environment(cls, job: Job) -> KubeApi | None:
        """None outside of a cluster: then allocations come over the endpoint alone."""
        return cls(job, os.environ) if "KUBERNETES_SERVICE_HOST" in os.environ else None

    def desired(self) -> Allocation | None:
        """The resource's ``status.allocation``; None when it has none. Raises ApiUnavailableError."""
        status = self._request("GET", self._job.api_path).get("status") or {}
        if "allocation" not in status:
            return None
        try:
            return Allocation.from_status(status["allocation"])
        except InvalidAllocationError as error:
            raise ApiUnavailableError(f"status.allocation of {self._job.name} cannot be used: {error}") from error

    def delete_executors(self) -> None:
        """Delete what executors an earlier start of Spark left behind. Raises ApiUnavailableError."""
        selector = urllib.parse.urlencode({"labelSelector": self._job.executor_labels})
        self._request("DELETE", f"/api/v1/namespaces/{self._job.namespace}/pods?{selector}")

    def _request(self, method: str, path: str) -> dict[str, Any]:
        try:
            headers = {"Authorization": "Bearer " + self._token.read_text().strip(), "Accept": "application/json"}
            request = urllib.request.Request(self.url + path, method=method, headers=headers)  # noqa: S310 - https alone
            trust = ssl.create_default_context(cafile=self._ca)
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=trust) as response:  # noqa: S310
                body: dict[str, Any] = json.load(response)
                return body
        except urllib.error.HTTPError as error:
            raise ApiUnavailableError(f"{method} {path}: {error.code} {error.reason}") from error
        except (OSError, ValueError) as error:
            raise ApiUnavailableError(f"{method} {path}: {error}") from error
