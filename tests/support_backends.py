"""What the contract suite runs over: each backend with a clock, a job, and ways to let time pass.

The simulated one lives in virtual time. The live one is whole: the embedded cluster and its node, the operator's own
calls to both, the driver's runtime in a pod, and Spark with executors. Its one job serves all tests, which leave it
running: every test takes it over with a backend of its own, as an operator does that starts anew.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from support_driver import STREAM, Feeder, sink_rows
from support_nodeagent import Node
from support_objects import NoObjects

from sparkiot_operator.backends import Backend, Desired, Inherited, ObjectsApi, Surroundings, make_backend
from sparkiot_operator.crd import build_crd
from sparkiot_operator.driver_client import DriverClient, open_driver_http
from sparkiot_operator.errors import BackendFailedError
from sparkiot_operator.events import JobRef
from sparkiot_operator.kube import KubeApi
from sparkiot_operator.resource.spec import BackendKind
from sparkiot_operator.resource.status import DriverStatus
from sparkiot_operator.resource.translate import parse_spec
from sparkiot_policies.allocation import Allocation, Compression, Tier
from sparkiot_policies.measurement import Measurement
from sparkiot_sim.nodeagent import OWN_IMAGE, LocalImage, cluster_with_node_in_thread

START = 1_700_000_000.0
PATIENCE_S = 300.0
"""How long anything may take on a busy machine; nothing is asserted of it."""
IMAGE = "spark:test"
SIMULATED = (
    Allocation(executors=2, memory_mib=2048, tier=Tier.WARM, compression=Compression.LZ4),
    Allocation(executors=6, memory_mib=2048, tier=Tier.HOT, compression=Compression.NONE),
)
LIVE = (
    Allocation(executors=1, memory_mib=1024, tier=Tier.WARM, compression=Compression.LZ4),
    Allocation(executors=2, memory_mib=1024, tier=Tier.WARM, compression=Compression.LZ4),
)
"""Small and large. A live job takes another tier over at its next start only."""
Json = dict[str, Any]


class Bench(Protocol):
    """One kind of backend. small, large: two allocations that it can be brought to and back."""

    small: Allocation
    large: Allocation

    def now(self) -> float:
        """Job time, epoch seconds."""
        ...

    def make(self, *, job: str = "city") -> Backend:
        """A backend for a job; for the one that runs already, one that knows nothing of it."""
        ...

    def successor(self, first: Backend, seen: Measurement) -> Backend:
        """What the next operator makes of the status that an earlier one left."""
        ...

    async def a_while(self) -> None:
        """Time in which batches complete."""
        ...

    async def away(self) -> int:
        """Time in which messages arrive; how many, at the least."""
        ...


class Generations:
    """Numbers allocations as a session does: a newer one has a higher number."""

    def __init__(self) -> None:
        self._last = 0

    def desired(self, allocation: Allocation) -> Desired:
        self._last += 1
        return Desired(allocation, generation=self._last)


async def until(bench: Bench, backend: Backend, wanted: Desired, holds: Callable[[Measurement], object]) -> Measurement:
    """Turn by turn, as the loop does it: the first look at the job for which it holds."""
    end, last = time.monotonic() + PATIENCE_S, ""
    while time.monotonic() < end:
        await backend.ensure(wanted, now=bench.now())
        try:
            seen = (await backend.observe(now=bench.now())).measurement
        except BackendFailedError as error:
            assert not backend.state.ended, backend.state
            last = str(error)
        else:
            if holds(seen):
                return seen
            last = str(seen)
        await bench.a_while()
    raise AssertionError(f"not within {PATIENCE_S:g} s; the last look: {last}; {backend.state}")


async def no_config_map(name: str) -> Mapping[str, str]:
    raise AssertionError(f"nobody asked for ConfigMap {name}")


def surroundings(
    ref: JobRef, *, objects: ObjectsApi | None = None, drivers: DriverClient | None = None
) -> Surroundings:
    return Surroundings(
        ref=ref,
        default_backend=BackendKind.SIMULATED,
        read_config_map=no_config_map,
        objects=objects or NoObjects(),
        drivers=drivers or DriverClient(None),
        runtime_image=OWN_IMAGE if objects else None,
    )


@dataclass
class SimulatedBench:
    """A job of the cluster model in virtual time."""

    small: Allocation = SIMULATED[0]
    large: Allocation = SIMULATED[1]
    _elapsed: float = 0.0

    def now(self) -> float:
        return START + self._elapsed

    def make(self, *, job: str = "city", inherited: Inherited | None = None) -> Backend:
        spec = {"workload": {"generator": {"kind": "Healthcare", "meanRate": 100}}, "preset": "edge-small", "edge": {}}
        return make_backend(
            parse_spec({"backend": "Simulated", "simulation": spec}),
            surroundings(JobRef("iot", job, "uid-1")),
            origin=START,
            inherited=inherited,
            driver=None,
        )

    def successor(self, first: Backend, seen: Measurement) -> Backend:
        return self.make(inherited=Inherited(time=seen.time, backlog=seen.backlog, running=True))

    async def a_while(self) -> None:
        self._elapsed += 10

    async def away(self) -> int:
        """Ten minutes at 100 messages a second on average."""
        self._elapsed += 600
        return 10_000


@dataclass
class SparkJob:
    """The one live job of a module: its object in the API, its files, and what lands in its folder."""

    node: Node
    folder: Path
    feeder: Feeder
    refs: dict[str, JobRef] = field(default_factory=dict)

    @property
    def spec(self) -> Json:
        paths = [str(self.folder / name) for name in ("landing", "sink", "checkpoint")]
        return {
            "backend": "Spark",
            "application": {
                "image": IMAGE,
                "mainApplicationFile": f"local://{self.folder / 'main.py'}",
                "arguments": paths,
                "checkpointLocation": paths[2],
                "sparkConf": {"spark.kubernetes.executor.request.cores": "100m"},
            },
        }

    def ref(self, name: str) -> JobRef:
        """The job's object in the API, made at its first use: what a backend creates belongs to it."""
        if name not in self.refs:
            manifest = {"apiVersion": "sparkiot.dev/v1alpha1", "kind": "SparkIoTJob", "metadata": {"name": name}}
            self.node.apply({**manifest, "spec": self.spec})
            found = json.loads(self.node.kubectl("get", "sij", name, "-o", "json"))
            self.refs[name] = JobRef("default", name, found["metadata"]["uid"])
        return self.refs[name]

    def sink(self) -> list[int]:
        sink = self.folder / "sink"
        return sink_rows(sink) if (sink / "_spark_metadata").exists() else []


@contextmanager
def spark_job(folder: Path) -> Iterator[SparkJob]:
    (folder / "main.py").write_text(STREAM)
    (folder / "landing").mkdir()
    kubeconfig = folder / "kubeconfig"
    images = [LocalImage(IMAGE, Path(sys.executable))]
    with cluster_with_node_in_thread(kubeconfig=kubeconfig, images=images, crds=[build_crd()]) as cluster:
        feeder = Feeder(folder / "landing")
        try:
            yield SparkJob(Node(kubeconfig, cluster), folder, feeder)
        finally:
            feeder.stop()


@dataclass
class SparkBench:
    """The live job as one test sees it, in real time."""

    job: SparkJob
    api: KubeApi
    drivers: DriverClient
    small: Allocation = LIVE[0]
    large: Allocation = LIVE[1]

    def now(self) -> float:
        return time.time()

    def make(self, *, job: str = "city", driver: DriverStatus | None = None) -> Backend:
        around = surroundings(self.job.ref(job), objects=self.api, drivers=self.drivers)
        return make_backend(parse_spec(self.job.spec), around, origin=START, inherited=None, driver=driver)

    def successor(self, first: Backend, seen: Measurement) -> Backend:
        return self.make(driver=first.state.driver)

    async def a_while(self) -> None:
        await asyncio.sleep(0.5)

    async def away(self) -> int:
        landed = self.job.feeder.rows
        return await asyncio.to_thread(self.job.feeder.wait_for, landed + 1) - landed


@asynccontextmanager
async def spark_bench(job: SparkJob) -> AsyncIterator[SparkBench]:
    """With KUBECONFIG set to the job's cluster, which is where the operator's client looks."""
    async with KubeApi(timeout_s=30) as api, open_driver_http(30) as http:
        yield SparkBench(job, api, DriverClient(http))
