"""How many executors a namespace's quotas have room for."""

from decimal import Decimal
from typing import Any

import pytest
from support_spark import application_of, executor_pod, live_spec

from sparkiot_operator.errors import ApiRefusedError, ApiUnreachableError
from sparkiot_operator.quota_look import QuotaLook
from sparkiot_operator.spark.quota import asked, room
from sparkiot_policies.allocation import Allocation, Compression, Tier

GIB = Decimal(1 << 30)
TWO_GIB = Allocation(executors=2, memory_mib=2048, tier=Tier.WARM, compression=Compression.LZ4)
ASK = asked([], application_of(live_spec()), TWO_GIB)
PODS = [executor_pod(1), executor_pod(2, phase="Pending"), executor_pod(3, phase="Failed")]
"""Two of these count: who ended counts no more."""


def quota(hard: dict[str, str], used: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    status = {} if used is None else {"hard": hard, "used": used}
    return {"metadata": {"name": "tight"}, "spec": {"hard": hard, **spec}, "status": status}


def test_before_the_first_executor_the_allocation_says_what_one_asks_for() -> None:
    found = asked([], application_of(live_spec(executor={"cores": 2})), TWO_GIB)
    assert found["requests.cpu"] == found["cpu"] == 2
    assert found["requests.memory"] == found["limits.memory"] == 2 * GIB
    assert "limits.cpu" not in found
    conf = {"spark.kubernetes.executor.request.cores": "200m", "spark.kubernetes.executor.limit.cores": "1"}
    found = asked([], application_of(live_spec(sparkConf=conf)), TWO_GIB)
    assert (found["cpu"], found["limits.cpu"]) == (Decimal("0.2"), 1)


def test_then_the_newest_executor_does_with_all_its_containers() -> None:
    sidecar = {"name": "logs", "resources": {"limits": {"cpu": "250m", "memory": "256Mi"}}}
    spark = {"name": "spark", "resources": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "3Gi"}}}
    old = executor_pod(1, creationTimestamp="2026-01-01T00:00:00Z")
    new = executor_pod(2, creationTimestamp="2026-01-02T00:00:00Z") | {"spec": {"containers": [spark, sidecar]}}
    found = asked([new, old], application_of(live_spec()), TWO_GIB)
    assert (found["requests.cpu"], found["limits.cpu"]) == (Decimal("1.25"), Decimal("0.25"))
    assert (found["requests.memory"], found["limits.memory"]) == (Decimal("2.25") * GIB, Decimal("3.25") * GIB)


@pytest.mark.parametrize(
    ("hard", "used", "expected"),
    [
        ({"pods": "10"}, {"pods": "7"}, 5),
        ({"count/pods": "10"}, {"count/pods": "10"}, 2),
        ({"pods": "10"}, {"pods": "12"}, 2),  # a quota that was lowered ends nothing
        ({"requests.memory": "16Gi"}, {"requests.memory": "9Gi"}, 5),  # seven free: three of two
        ({"memory": "16Gi"}, {"memory": "9000Mi"}, 5),
        ({"limits.memory": "16Gi"}, {"limits.memory": "15Gi"}, 2),
        ({"cpu": "2500m"}, {"cpu": "1"}, 3),
        ({"pods": "10", "requests.cpu": "3"}, {"pods": "2", "requests.cpu": "2"}, 3),  # the tightest bound
        ({"services": "3"}, {"services": "3"}, None),
        ({"limits.cpu": "3"}, {"limits.cpu": "3"}, None),  # no executor has such a limit
        ({"pods": "10"}, {}, None),  # nobody counted yet
        ({"pods": "ten"}, {"pods": "1"}, None),
    ],
)
def test_room_of_one_quota(hard: dict[str, str], used: dict[str, str], expected: int | None) -> None:
    assert room([quota(hard, used)], PODS, ask=ASK) == expected


def test_the_tightest_of_several_quotas_counts() -> None:
    several = [quota({"pods": "10"}, {"pods": "4"}), quota({"pods": "10"}, {"pods": "7"}), quota({"pods": "10"})]
    assert room(several, PODS, ask=ASK) == 5
    assert room([], PODS, ask=ASK) is None


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"scopes": ["NotTerminating"]}, 2),
        ({"scopes": ["NotBestEffort", "NotTerminating"]}, 2),
        ({"scopes": ["BestEffort"]}, None),
        ({"scopes": ["Terminating"]}, None),
        ({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "Exists"}]}}, None),
    ],
)
def test_a_quota_of_other_pods_does_not_count(spec: dict[str, Any], expected: int | None) -> None:
    assert room([quota({"pods": "1"}, {"pods": "1"}, **spec)], PODS, ask=ASK) == expected


class Answers:
    """Answers reads in turn; an exception is raised."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        self.answers = list(answers)
        self.paths: list[str] = []

    async def read(self, path: str) -> dict[str, Any]:
        self.paths.append(path)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


TIGHT = {"items": [quota({"pods": "10"}, {"pods": "7"})]}


async def test_a_look_lasts_for_ten_seconds_and_a_clock_set_back_ends_it() -> None:
    api = Answers(TIGHT, {"items": []}, TIGHT)
    look = QuotaLook(api, live_spec(), "iot")
    found = []
    for now in (1000.0, 1009.0, 1010.0, 900.0):
        await look.refresh(now)
        found.append(look.room(PODS, TWO_GIB))
    assert found == [5, 5, None, 5]
    assert api.paths == ["/api/v1/namespaces/iot/resourcequotas"] * 3


async def test_who_may_not_read_quotas_goes_without_and_an_absent_server_leaves_what_was_known() -> None:
    api = Answers(TIGHT, ApiUnreachableError("away"), ApiRefusedError("forbidden"))
    look = QuotaLook(api, live_spec(), "iot")
    found = []
    for now in (1000.0, 1030.0, 1040.0):
        await look.refresh(now)
        found.append(look.room(PODS, TWO_GIB))
    assert found == [5, 5, None]
