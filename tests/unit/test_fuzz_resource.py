"""Every object that the CRD admits becomes a job or a refusal that says why; every spec that becomes one, it admits."""

import asyncio
import copy
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import orjson
from hypothesis import example, given
from hypothesis import strategies as st
from support_fuzz import damaged, examples, refusing
from support_objects import NoObjects
from support_schema import admitted
from support_spark import APPLICATION, driver_request

from sparkiot_operator.crd import build_crd
from sparkiot_operator.driver_client import DriverClient, open_driver_http
from sparkiot_operator.errors import ApiNotFoundError
from sparkiot_operator.events import JobRef
from sparkiot_operator.loop import JobLoop
from sparkiot_operator.metrics import Metrics
from sparkiot_operator.policies_store import PolicyStore
from sparkiot_operator.resource.translate import InvalidSpecError, SpecProblem, parse_spec, to_job
from sparkiot_operator.services import Services
from sparkiot_operator.settings import Settings
from sparkiot_operator.spark.manifests import build_objects
from sparkiot_sim.devcluster.patches import merge_patch
from sparkiot_sim.devcluster.schema import StructuralSchema

ROOT = build_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
SPEC, STATUS = (StructuralSchema(ROOT["properties"][name]) for name in ("spec", "status"))
REF = JobRef("iot", "city", "uid-1")
START = 1_700_000_000.0
SIMULATED: dict[str, Any] = {
    "backend": "Simulated",
    "simulation": {"workload": {"generator": {"kind": "Healthcare", "meanRate": 200}}, "edge": {"recall": 0.9}},
    "scaling": {
        "interval": "10s",
        "executors": {"min": 1, "max": 9, "override": 4},
        "memory": {"min": "1Gi", "max": "4Gi"},
        "excludedPeriods": [{"start": "22:00", "end": "04:00", "days": ["Mon"], "timeZone": "Europe/Berlin"}],
    },
    "objectives": {"scenario": "Balanced", "latency": {"target": "1s", "quantile": 0.9}, "budgetPerHour": "6.00"},
    "policy": {"name": "RateAhead", "fallback": "Rate"},
    "shuffle": {"tier": "Auto", "compression": "Auto"},
}
LIVE: dict[str, Any] = {
    "backend": "Spark",
    "application": {
        **APPLICATION,
        "sparkConf": {"spark.sql.shuffle.partitions": "8"},
        "arguments": ["a"],
        "driver": {"memory": "1Gi", "template": {"spec": {"containers": [{"name": "sparkiot-driver", "env": []}]}}},
        "executor": {"cores": 2, "template": {"metadata": {"labels": {"a": "b"}}}},
    },
    "shuffle": {"tiers": {"warm": {"volume": {"hostPath": "/mnt/nvme"}}}},
    "edge": {"signal": {"mqtt": {"url": "mqtt://broker:1883", "topic": "iot/metadata/city"}, "staleAfter": "30s"}},
}


class Server(NoObjects):
    """The API server of one job: it holds no other object, and takes every status that the CRD admits."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.spec, self.generation, self.version, self.status = spec, 1, 1, dict[str, Any]()

    def resource(self) -> dict[str, Any]:
        metadata = {"generation": self.generation, "resourceVersion": str(self.version)}
        return {"metadata": metadata, "spec": self.spec, "status": self.status}

    def edit(self, spec: Mapping[str, Any]) -> None:
        self.spec, self.generation, self.version = spec, self.generation + 1, self.version + 1

    async def patch_status(self, namespace: str, name: str, patch: Mapping[str, Any], *, version: str) -> str:
        self.version += 1
        self.status = merge_patch(self.status, copy.deepcopy(orjson.loads(orjson.dumps(patch))))
        assert STATUS.validate(self.status, None) == []
        assert STATUS.prune(copy.deepcopy(self.status)) == []
        return str(self.version)

    async def create_event(self, namespace: str, event: Mapping[str, Any]) -> None:
        orjson.dumps(event)

    async def read_config_map(self, namespace: str, name: str) -> Mapping[str, str]:
        raise ApiNotFoundError(f"GET {name}: 404")

    async def read(self, path: str) -> dict[str, Any]:
        raise ApiNotFoundError(f"GET {path}: 404")

    @property
    def ready(self) -> dict[str, Any]:
        (found,) = [c for c in self.status["conditions"] if c["type"] == "Ready"]
        return dict(found)


@cache
def policies() -> PolicyStore:
    return PolicyStore(folder=None, digests={})


def server_takes(spec: Any) -> dict[str, Any] | None:
    """The spec as the API server stores it: pruned and with defaults; None of one that it refuses."""
    try:
        stored = orjson.loads(json.dumps(spec))
    except ValueError:
        return None  # no JSON of Kubernetes': NaN, a lone surrogate, a number beyond what a double holds
    if not isinstance(stored, dict):
        return None
    SPEC.prune(stored)
    SPEC.apply_defaults(stored)
    return None if SPEC.validate(stored, None) else stored


def played(*specs: dict[str, Any]) -> Server:
    """What the loop makes of a job that is created with the first spec, and edited to each next one."""
    server, now = Server(specs[0]), START
    metrics = Metrics()

    async def play() -> None:
        nonlocal now
        async with open_driver_http(1.0) as http:
            services = Services(
                settings=Settings(all_namespaces=True),
                api=server,
                policies=policies(),
                metrics=metrics,
                audit=None,
                clock=lambda: now,
                drivers=DriverClient(http),
            )
            loop = JobLoop(REF, server.resource, services)
            for number, spec in enumerate(specs):
                if number:
                    server.edit(spec)
                    loop.notify()
                for _ in range(2):
                    wait = await loop.turn()
                    now += min(wait or 1.0, 20.0)
                    assert metrics.jobs.sample(REF).errors == 0, server.status
            await loop._signals.stop()

    asyncio.run(play())
    return server


def told(server: Server) -> None:
    """Its status is of the newest spec, and says why where the job does not run."""
    assert server.status["observedGeneration"] == server.generation
    assert server.ready["reason"]
    assert server.ready["message"]


@examples(15)
@given(admitted(ROOT["properties"]["spec"]))
@example(SIMULATED)
@example(LIVE)
@example(SIMULATED | {"scaling": {"interval": "10s\n"}})
@example(SIMULATED | {"objectives": {"budgetPerHour": "6.00\n"}})
def test_fuzz_what_the_schema_admits_is_a_job_or_refused_with_a_reason(spec: dict[str, Any]) -> None:
    stored, parsed = server_takes(spec), None
    problems: list[SpecProblem] = []
    try:
        parsed = parse_spec(spec)
        for live in (False, True):
            to_job("iot/city", parsed, live=live)
    except InvalidSpecError as error:
        problems = error.problems
    assert (parsed is None) == bool(problems)
    assert all(problem.field.startswith("spec") and problem.message for problem in problems)
    if stored is None:
        assert problems, SPEC.validate(spec, None)
        return
    assert {problem.field.rpartition(".")[2] for problem in problems} <= {"timeZone"}, problems
    if parsed is not None and parsed.application is not None:
        with refusing(InvalidSpecError, naming="spec."):
            json.dumps(build_objects(driver_request(parsed)).in_order())
    told(played(stored))


@examples(15)
@given(st.sampled_from([SIMULATED, LIVE]).flatmap(damaged))
def test_fuzz_what_the_models_take_the_schema_admits(spec: Any) -> None:
    if not isinstance(spec, dict):
        return
    parsed = None
    with refusing(InvalidSpecError, naming="spec"):
        parsed = parse_spec(spec)
    if parsed is None:
        return
    written = parsed.model_dump(by_alias=True, mode="json", exclude_none=True)
    assert SPEC.prune(copy.deepcopy(written)) == []
    assert SPEC.validate(written, None) == []
    assert parse_spec(written) == parsed


@examples(15)
@given(st.data())
def test_fuzz_any_merge_patch_leaves_a_job_that_is_told_of(data: st.DataObject) -> None:
    before = data.draw(st.sampled_from([SIMULATED, LIVE]))
    patch = data.draw(damaged(before) | admitted(ROOT["properties"]["spec"]))
    first = server_takes(before)
    assert first is not None
    after = server_takes(merge_patch(copy.deepcopy(before), patch))
    if after is not None:
        told(played(first, after, first))
