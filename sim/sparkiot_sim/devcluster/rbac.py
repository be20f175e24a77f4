"""Who may do what: Roles and ClusterRoles bound to service accounts. The kubeconfig's own user may do everything.

What Kubernetes adds to grants is left out: aggregation, built-in cluster roles, and paths that are not resources (any
authenticated user may read discovery, as there). `escalation` keeps users from granting what they do not have.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sparkiot_sim.devcluster.errors import ApiError, Obj, qualified
from sparkiot_sim.devcluster.store import Store

GROUP = "rbac.authorization.k8s.io"
ROLES, CLUSTER_ROLES = f"{GROUP}/roles", f"{GROUP}/clusterroles"
BINDINGS, CLUSTER_BINDINGS = f"{GROUP}/rolebindings", f"{GROUP}/clusterrolebindings"


@dataclass(frozen=True)
class User:
    """Who sends a request; the members of `system:masters` may do everything."""

    name: str
    groups: tuple[str, ...] = ()

    @staticmethod
    def service_account(namespace: str, name: str) -> "User":
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        return User(f"system:serviceaccount:{namespace}:{name}", groups)


ADMIN = User("sparkiot-dev", ("system:masters", "system:authenticated"))


@dataclass(frozen=True, kw_only=True)
class Access:
    """What a request does to a resource. `namespace` is empty for all of them, `name` where no single object is meant.

    verb: get, list, watch, create, update, patch, delete or deletecollection.
    """

    verb: str
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def full_resource(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass
class _Search:
    """Grants found on the way, and the roles that bindings name in vain."""

    store: Store
    missing: list[str] = field(default_factory=list)

    def rules(self, user: User, namespace: str) -> Iterator[Obj]:
        for record in self.store.records(CLUSTER_BINDINGS):
            yield from self._granted(record.load(), user, "")
        for record in self.store.records(BINDINGS, namespace) if namespace else ():
            yield from self._granted(record.load(), user, namespace)

    def _granted(self, binding: Obj, user: User, namespace: str) -> Iterator[Obj]:
        if not any(_is(subject, user, namespace) for subject in binding.get("subjects") or ()):
            return
        ref = binding.get("roleRef") or {}
        kind, name = ref.get("kind"), ref.get("name", "")
        place = (ROLES, (namespace, name)) if kind == "Role" and namespace else (CLUSTER_ROLES, ("", name))
        role = self.store.get(*place)
        if role is None:
            self.missing.append(f'{str(kind).lower()}.{GROUP} "{name}" not found')
        else:
            yield from role.load().get("rules") or ()


def allowed(store: Store, user: User, access: Access) -> bool:
    """Whether a role grants this access."""
    return _granted(_Search(store), user, access)


def authorize(store: Store, user: User, access: Access) -> None:
    """Raises ApiError 403, in the words of Kubernetes, unless a role grants this access."""
    search = _Search(store)
    if _granted(search, user, access):
        return
    what = qualified(access.resource, access.group) + (f' "{access.name}"' if access.name else "")
    scope = f'in the namespace "{access.namespace}"' if access.namespace else "at the cluster scope"
    why = f'{what} is forbidden: User "{user.name}" cannot {access.verb} resource "{access.full_resource}"'
    why += f' in API group "{access.group}" {scope}'
    if search.missing:
        why += f": RBAC: {', '.join(search.missing)}"
    details = {"name": access.name, "group": access.group, "kind": access.resource}
    raise ApiError(403, "Forbidden", why, {key: value for key, value in details.items() if value})


def _granted(search: _Search, user: User, access: Access) -> bool:
    """Members of `system:masters` need no role."""
    rules = search.rules(user, access.namespace)
    return "system:masters" in user.groups or any(_allows(rule, access) for rule in rules)


def _is(subject: Obj, user: User, namespace: str) -> bool:
    if subject.get("kind") == "ServiceAccount":
        home = subject.get("namespace") or namespace
        return user.name == f"system:serviceaccount:{home}:{subject.get('name')}"
    return subject.get("name") in {"User": (user.name,), "Group": user.groups}.get(str(subject.get("kind")), ())


def _allows(rule: Obj, access: Access) -> bool:
    resources = {"*", access.full_resource} | ({f"*/{access.subresource}"} if access.subresource else set())
    names = rule.get("resourceNames") or ()
    return (
        not {"*", access.verb}.isdisjoint(rule.get("verbs") or ())
        and not {"*", access.group}.isdisjoint(rule.get("apiGroups") or ())
        and not resources.isdisjoint(rule.get("resources") or ())
        and (not names or access.name in names)
    )
