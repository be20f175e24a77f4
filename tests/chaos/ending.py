"""The end of a run: the jobs are deleted, the operators end in order, and nothing is left of any of it."""

import time

from chaos.client import RefusedError, UnreachableError
from chaos.operators import LEASE_NAME
from chaos.world import World

DELETED_S = 120.0
LABEL = "sparkiot.dev/job"


def end(world: World) -> list[str]:
    """What is left, or did not end as it should."""
    client = world.client
    for job in client.items(client.jobs_path()):
        client.delete(client.jobs_path(job["metadata"]["name"]))
    until = time.monotonic() + DELETED_S
    while left := _left(world):
        if time.monotonic() > until:
            return left
        time.sleep(0.5)
    codes = world.operators.stop()
    found = [f"an operator ended with {code}" for code in codes if code != 0]
    lease = client.get(client.path("coordination.k8s.io/v1", f"leases/{LEASE_NAME}"))
    if lease["spec"].get("holderIdentity"):
        found.append(f"the lease is still held by {lease['spec']['holderIdentity']}")
    return found


def _left(world: World) -> list[str]:
    client = world.client
    rbac = "rbac.authorization.k8s.io/v1"
    paths = {
        "job": client.jobs_path(),
        **{kind: client.core_path(kind) for kind in ("pods", "secrets", "configmaps", "services", "serviceaccounts")},
        **{kind: client.path(rbac, kind) for kind in ("roles", "rolebindings")},
    }
    try:
        found = [
            f"{kind} {item['metadata']['name']} is left"
            for kind, path in paths.items()
            for item in client.items(path, **({} if kind == "job" else {"labelSelector": LABEL}))
        ]
    except (UnreachableError, RefusedError) as error:
        return [f"nobody can say what is left: {error}"]
    if world.servers is not None:
        found += [f"block {block} is left" for block in world.servers.blocks()]
        found += [f"block {path} is left" for path in world.warm.rglob("*") if path.is_file()]
    return found
