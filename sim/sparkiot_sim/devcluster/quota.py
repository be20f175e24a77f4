"""ResourceQuota: what a namespace's pods may ask for together. Pure functions of the objects.

Of a real API server's quotas this is the part that bounds pods: their number, processors and memory, without scopes.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from sparkiot_sim.devcluster.celfunctions import parse_quantity
from sparkiot_sim.devcluster.errors import ApiError, Obj, bad_request, forbidden

QUOTAS = "/resourcequotas"
FINAL_PHASES = ("Succeeded", "Failed")
COUNTS = ("pods", "count/pods")
SHORT = {"cpu": "requests.cpu", "memory": "requests.memory"}
"""Names of Kubernetes for the same bound."""
BYTES_PER_MI = 1 << 20


def admit(quota: Obj) -> None:
    """Raises ApiError 400 for what is not enforced here."""
    spec = quota.get("spec") or {}
    hard = (spec.get("hard") or {}) if isinstance(spec, dict) else None
    if not isinstance(hard, dict):
        raise bad_request("spec.hard of a resource quota is an object of quantities")
    if spec.get("scopes") or spec.get("scopeSelector"):
        raise bad_request("this server enforces resource quotas without scopes only")
    for name, amount in hard.items():
        if _amount(amount) is None:
            raise bad_request(f"spec.hard.{name}: {amount!r} is not a quantity such as 500m, 2 or 1.5Gi")


def status(quota: Obj, pods: Iterable[Obj]) -> Obj:
    """The status of a quota over the pods of its namespace."""
    hard: Obj = dict((quota.get("spec") or {}).get("hard") or {})
    asked = [asks(pod) for pod in pods if _counts(pod)]
    used = {name: sum((ask.get(SHORT.get(name, name), Decimal(0)) for ask in asked), Decimal(0)) for name in hard}
    return {"hard": hard, "used": {name: _shown(name, amount) for name, amount in used.items()}}


def refusal(quotas: Iterable[Obj], pods: Iterable[Obj], pod: Obj) -> ApiError | None:
    """Why a new pod does not fit, in the API server's words; None when it does."""
    ask, others = asks(pod), list(pods)
    for quota in quotas:
        found = status(quota, others)
        over = []
        for name, limit in found["hard"].items():
            wanted = ask.get(SHORT.get(name, name), Decimal(0))
            room = (_amount(limit) or Decimal(0)) - (_amount(found["used"][name]) or Decimal(0))
            if wanted > room and wanted:
                over.append(name)
        if over:
            requested = ",".join(f"{name}={_shown(name, ask[SHORT.get(name, name)])}" for name in over)
            used = ",".join(f"{name}={found['used'][name]}" for name in over)
            limited = ",".join(f"{name}={found['hard'][name]}" for name in over)
            meta = quota["metadata"]
            why = f"exceeded quota: {meta['name']}, requested: {requested}, used: {used}, limited: {limited}"
            return forbidden("pods", "", pod["metadata"]["name"], why)
    return None


def asks(pod: Obj) -> Mapping[str, Decimal]:
    """What a pod counts for: itself, and the requests and limits of its containers, or its largest init container."""
    found = dict.fromkeys(COUNTS, Decimal(1))
    spec = pod["spec"]
    for kind in ("requests", "limits"):
        for resource in ("cpu", "memory"):
            together = sum((_of(item, kind, resource) for item in spec["containers"]), Decimal(0))
            before = max((_of(item, kind, resource) for item in spec.get("initContainers") or ()), default=Decimal(0))
            found[f"{kind}.{resource}"] = max(together, before)
    return found


def _of(container: Obj, kind: str, resource: str) -> Decimal:
    """A limit without a request is the request."""
    resources = container.get("resources") or {}
    stated = (resources.get(kind) or {}).get(resource)
    if stated is None and kind == "requests":
        stated = (resources.get("limits") or {}).get(resource)
    return _amount(stated) or Decimal(0)


def _amount(quantity: object) -> Decimal | None:
    """None for what is no quantity."""
    try:
        return parse_quantity(str(quantity))
    except ValueError:
        return None


def _counts(pod: Obj) -> bool:
    return (pod.get("status") or {}).get("phase") not in FINAL_PHASES


def _shown(name: str, amount: Decimal) -> str:
    if name.endswith("memory"):
        return f"{amount / BYTES_PER_MI:.0f}Mi"
    return f"{amount * 1000:.0f}m" if name.endswith("cpu") else f"{amount:.0f}"
