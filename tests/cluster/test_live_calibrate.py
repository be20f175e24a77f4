"""A calibration of the smallest kind: real batches on real executors, fitted and replayed."""

import asyncio
import os
from collections.abc import Iterator, Sequence

import pytest

from sparkiot_operator.calibration.jobs import LOOKUP_MS
from sparkiot_operator.calibration.plan import Plan
from sparkiot_operator.calibration.program import Program
from sparkiot_operator.driver_client import DriverClient, open_driver_http
from sparkiot_operator.embedded import Folder, embedded_operator
from sparkiot_operator.kube import KubeApi
from sparkiot_operator.processes import Child
from sparkiot_sim.calibrate.fit import fit_batches
from sparkiot_sim.calibrate.records import SparkRecord

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.live,
    pytest.mark.skipif(os.environ.get("SPARKIOT_LIVE") == "given", reason="it brings an embedded cluster of its own"),
]
PLAN = Plan(
    executors=(1, 2),
    rows=(12, 360),
    repeats=1,
    warm_batches=2,
    load=((6.0, 10.0, 2),),
    restarts=0,
    sorts=(),
    held=(),
)


@pytest.fixture(scope="module")
def steps() -> list[str]:
    return []


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory, steps: list[str]) -> Iterator[SparkRecord]:
    folder = Folder(tmp_path_factory.mktemp("calibrate"))
    folder.prepare()
    with embedded_operator(folder, say=lambda _: None) as children:
        yield asyncio.run(run(folder, children, steps))


async def run(folder: Folder, children: Sequence[Child], steps: list[str]) -> SparkRecord:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(folder.kubeconfig))
        async with KubeApi(timeout_s=10) as api, open_driver_http(5) as http:
            program = Program(api, DriverClient(http), children, folder=folder, plan=PLAN, step=steps.append)
            return await program.run()


def test_each_file_is_a_batch_on_the_executors_that_were_pinned(record: SparkRecord, steps: list[str]) -> None:
    single, varying = record.recordings
    assert [(b.executors, b.rows) for b in single.batches] == [(1, 12), (1, 360), (2, 12), (2, 360)]
    assert [a.rows for a in single.arrivals] == [b.rows for b in single.batches]
    assert all(a.time <= b.end for a, b in zip(single.arrivals, single.batches, strict=True))
    assert single.executors[-1].count == 2
    assert sum(a.rows for a in varying.arrivals) == sum(b.rows for b in varying.batches) > 0
    assert len(steps) == PLAN.steps


def test_what_it_says_is_what_the_job_does(record: SparkRecord) -> None:
    """Each row waits for its look-up, on one of the executors' slots: no batch can be faster than that."""
    assert len(record.startups) == 1
    assert record.startups[0] > 0.5
    assert record.decommissions
    batches = record.recordings[0].batches
    assert all(b.duration_s > b.rows * LOOKUP_MS / 1000 / b.executors for b in batches)
    assert fit_batches(batches).fixed_s.value > 0
