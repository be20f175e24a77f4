"""Nobody grants what they do not have: Kubernetes' check on who writes roles and bindings.

A role is judged by the rules in the request, so that a patch that leaves them alone passes.
"""

from collections.abc import Iterator

from sparkiot_sim.devcluster.errors import Obj, forbidden
from sparkiot_sim.devcluster.rbac import CLUSTER_ROLES, GROUP, ROLES, Access, User, allowed
from sparkiot_sim.devcluster.store import Store


def check_grant(store: Store, user: User, access: Access, body: Obj) -> None:
    """Raises ApiError 403 unless the user has all that the role or binding in `body` grants.

    The verb `escalate` on the role, or `bind` on the one that a binding refers to, stands for having it.
    """
    if access.group != GROUP or access.verb == "delete":
        return
    if access.resource in ("roles", "clusterroles"):
        rules, excused = body.get("rules") or (), _verb(access, "escalate")
    else:
        ref = body.get("roleRef") or {}
        name, cluster = ref.get("name", ""), ref.get("kind") == "ClusterRole"
        role = store.get(CLUSTER_ROLES, ("", name)) if cluster else store.get(ROLES, (access.namespace, name))
        rules = (role.load().get("rules") or ()) if role else ()
        target = "clusterroles" if cluster else "roles"
        excused = Access(verb="bind", group=GROUP, resource=target, namespace=access.namespace, name=name)
    missing = [shown for rule in rules for shown in _missing(store, user, access.namespace, rule)]
    if missing and not allowed(store, user, excused):
        name = access.name or body["metadata"].get("name", "")
        why = f'user "{user.name}" is attempting to grant RBAC permissions not currently held: {", ".join(missing)}'
        raise forbidden(access.resource, GROUP, name, why)


def _missing(store: Store, user: User, namespace: str, rule: Obj) -> Iterator[str]:
    """What of a rule the user does not have, as text."""
    for group in rule.get("apiGroups") or ():
        for full in rule.get("resources") or ():
            resource, _, subresource = full.partition("/")
            for verb in rule.get("verbs") or ():
                for name in rule.get("resourceNames") or ("",):
                    wanted = Access(
                        verb=verb,
                        group=group,
                        resource=resource,
                        subresource=subresource,
                        namespace=namespace,
                        name=name,
                    )
                    if not allowed(store, user, wanted):
                        yield f"{verb} {full}.{group}".rstrip(".")


def _verb(access: Access, verb: str) -> Access:
    return Access(verb=verb, group=access.group, resource=access.resource, namespace=access.namespace, name=access.name)
