"""How many executors the quotas of a namespace have room for: pure, from its ResourceQuota objects and the job's pods.

A quota by priority class is not counted, as nobody but the API server resolves a pod's class; where it refuses
executors, Spark asks for them again and again, and they show as pending.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sparkiot_operator.resource.spec import Application
from sparkiot_policies.allocation import Allocation
from sparkiot_sim.devcluster.celfunctions import parse_quantity

Json = Mapping[str, Any]
Ask = Mapping[str, Decimal]

ENDED = ("Succeeded", "Failed")
"""Phases in which a pod no longer counts."""
COVERED_SCOPES = frozenset({"NotTerminating", "NotBestEffort"})
"""Executors have requests and no deadline."""
CORES_KEY = "spark.kubernetes.executor.request.cores"
CORES_LIMIT_KEY = "spark.kubernetes.executor.limit.cores"
BYTES_PER_MIB = 1 << 20


def room(quotas: Iterable[Json], executors: Sequence[Json], *, ask: Ask) -> int | None:
    """Executors that all quotas have room for, those that are there included; None where no quota bounds them.

    quotas: ResourceQuota objects of the namespace. executors: the job's executor pods. ask: what one more would count
    for, by the quotas' names.
    """
    held = sum(pod.get("status", {}).get("phase") not in ENDED for pod in executors)
    free = [more for quota in quotas if _applies(quota) for more in _free(quota, ask)]
    return held + min(free) if free else None


def asked(executors: Sequence[Json], application: Application, allocation: Allocation) -> Ask:
    """What one more executor asks for: as the newest one does, whose template and overheads are in it; before there is
    one, as the allocation says."""
    if executors:
        newest = max(executors, key=lambda pod: str(pod["metadata"].get("creationTimestamp") or ""))
        return _of_pod(newest)
    conf, cores = application.spark_conf, str(application.executor.cores)
    memory = Decimal(allocation.memory_mib * BYTES_PER_MIB)
    limit = conf.get(CORES_LIMIT_KEY)
    return _named(
        requests={"cpu": _amount(conf.get(CORES_KEY, cores)) or Decimal(cores), "memory": memory},
        limits={"memory": memory} | ({"cpu": _amount(limit) or Decimal(0)} if limit else {}),
    )


def _applies(quota: Json) -> bool:
    spec = quota.get("spec") or {}
    selected = (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    scopes = {*(spec.get("scopes") or ()), *(found.get("scopeName") for found in selected)}
    return scopes <= COVERED_SCOPES


def _free(quota: Json, ask: Ask) -> Iterable[int]:
    """How many more each bound of a quota lets in; nothing of a bound that nobody has counted yet."""
    status = quota.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    for name, limit in hard.items():
        least, most, taken = ask.get(name, Decimal(0)), _amount(limit), _amount(used.get(name))
        if least > 0 and most is not None and taken is not None:
            yield max(int((most - taken) // least), 0)


def _of_pod(pod: Json) -> Ask:
    found: dict[str, dict[str, Decimal]] = {"requests": {}, "limits": {}}
    for container in pod.get("spec", {}).get("containers") or ():
        resources = container.get("resources") or {}
        stated = {"limits": resources.get("limits") or {}}
        stated["requests"] = {**stated["limits"], **(resources.get("requests") or {})}
        for kind, sums in found.items():
            for resource, amount in stated[kind].items():
                sums[resource] = sums.get(resource, Decimal(0)) + (_amount(amount) or Decimal(0))
    return _named(**found)


def _named(*, requests: Mapping[str, Decimal], limits: Mapping[str, Decimal]) -> Ask:
    """By all names that a quota may use."""
    return {
        "pods": Decimal(1),
        "count/pods": Decimal(1),
        **{name: amount for name, amount in requests.items() if name in ("cpu", "memory")},
        **{f"requests.{name}": amount for name, amount in requests.items()},
        **{f"limits.{name}": amount for name, amount in limits.items()},
    }


def _amount(quantity: object) -> Decimal | None:
    """None for what is absent or no quantity."""
    try:
        return None if quantity is None else parse_quantity(str(quantity))
    except ValueError:
        return None
