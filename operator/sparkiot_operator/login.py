"""How the operator logs in: the pod's service account, else a kubeconfig with whatever credentials it names."""

import os
from pathlib import Path

import aiohttp
import kopf
import yaml
from kubernetes import client as kube_client
from kubernetes import config as kube_config

from .errors import KubeconfigError
from .fence import Fence, fenced

CONNECTIONS = 8
"""Calls at once, at most."""
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_FILE, CA_FILE = "KUBERNETES_AUTH_SERVICEACCOUNT_TOKEN", "KUBERNETES_CERTS_CA_FILE"
"""Variables, known from Spark's client, that say where the account's files are when they are elsewhere."""


def connection_info() -> kopf.ConnectionInfo:
    """How to reach the cluster: the pod's service account, else a kubeconfig, credential plugins included.

    Raises KubeconfigError that says what was looked for and what to do.
    """
    found = kube_client.Configuration()
    try:
        token_file = Path(os.environ.get(TOKEN_FILE) or SERVICE_ACCOUNT / "token")
        if token_file.exists():
            ca_file = os.environ.get(CA_FILE) or str(SERVICE_ACCOUNT / "ca.crt")
            kube_config.incluster_config.InClusterConfigLoader(str(token_file), ca_file).load_and_set(found)
        else:
            # Read now and not at import, as the client library would: --kubeconfig sets it.
            paths = os.environ.get("KUBECONFIG") or "~/.kube/config"
            _check_kubeconfig(paths)
            kube_config.load_kube_config(paths, client_configuration=found)
    except (kube_config.ConfigException, ValueError, OSError) as error:
        raise KubeconfigError(f"no usable cluster credentials: {error}; set KUBECONFIG or --kubeconfig") from error
    header = found.get_api_key_with_prefix("BearerToken") or found.get_api_key_with_prefix("authorization") or ""
    scheme, _, token = header.partition(" ")
    return kopf.ConnectionInfo(
        server=found.host,
        ca_path=found.ssl_ca_cert,
        insecure=not found.verify_ssl,
        username=found.username or None,
        password=found.password or None,
        scheme=scheme or None,
        token=token or None,
        certificate_path=found.cert_file,
        private_key_path=found.key_file,
        trust_env=True,
    )


def open_http(
    info: kopf.ConnectionInfo,
    *,
    watches: int = 0,
    fence: Fence | None = None,
    trace: aiohttp.TraceConfig | None = None,
) -> aiohttp.ClientSession:
    """A session with few connections: a TLS connection costs a third of a MiB, and hundreds of jobs start at once.

    watches: connections that are occupied all the time. fence: raises where nothing may be changed any more. trace:
    sees every request.
    """
    return aiohttp.ClientSession(
        headers={"User-Agent": "sparkiot-operator", "Accept": "application/json", **info.as_http_headers()},
        connector=aiohttp.TCPConnector(ssl=info.as_ssl_context(), limit=CONNECTIONS + watches),
        trust_env=True,
        trace_configs=[*([trace] if trace else []), *([fenced(fence)] if fence else [])],
    )


def _check_kubeconfig(paths: str) -> None:
    """The client library's own messages do not name the file; so look first."""
    files = [Path(p).expanduser() for p in paths.split(os.pathsep) if p]
    present = [file for file in files if file.exists()]
    if not present:
        raise KubeconfigError(
            f"kubeconfig {', '.join(map(str, files))} does not exist; set KUBECONFIG or --kubeconfig, or start a "
            "cluster on this machine with `sparkiot dev`"
        )
    for file in present:
        try:
            loaded = yaml.safe_load(file.read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise KubeconfigError(f"kubeconfig {file} cannot be read: {error}") from error
        except yaml.YAMLError as error:
            raise KubeconfigError(f"kubeconfig {file} is not YAML: {' '.join(str(error).split())}") from error
        if not isinstance(loaded, dict) or not loaded.get("clusters"):
            raise KubeconfigError(f"kubeconfig {file} names no cluster")
