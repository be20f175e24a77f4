"""Let real Spark run batches, scalings, restarts and working sets that grow, and write down what they take."""

import itertools
import shutil
import time
from collections.abc import Callable, Sequence

import pyspark

from sparkiot_operator.driver_client import DriverClient
from sparkiot_operator.embedded import Folder
from sparkiot_operator.errors import CalibrateError
from sparkiot_operator.kube import KubeApi
from sparkiot_operator.landing import write_file
from sparkiot_operator.processes import Child
from sparkiot_operator.resource.spec import Application
from sparkiot_operator.spark.memory import executor_heap_mib
from sparkiot_operator.spark.report import BatchReport, DriverReport
from sparkiot_policies.allocation import parse_memory
from sparkiot_sim.calibrate.records import Arrival, BatchRecord, PressureRecord, Recording, SparkRecord

from .jobs import ROW_KIB, TRIGGER_S, JobFiles, example_job, working_set_job
from .live import LiveJob
from .plan import Plan

MEMORY, OTHER_MEMORY = "1Gi", "1280Mi"
RESERVED_MIB = 300
USABLE = 0.6
"""Of the heap beyond what Spark reserves: defaults of Spark 3.5, spark.memory.fraction."""
FILE_S = 0.5
GONE_S = 60.0
SPILL_S = 15.0
"""The driver counts spilled bytes every ten seconds."""

Step = Callable[[str], None]


class Program:
    """Measures on one embedded cluster. step: told what was done after each of ``plan.steps`` steps."""

    def __init__(
        self,
        api: KubeApi,
        drivers: DriverClient,
        children: Sequence[Child],
        *,
        folder: Folder,
        plan: Plan,
        step: Step,
    ) -> None:
        self._api, self._drivers, self._children = api, drivers, children
        self._folder, self._plan, self._step = folder, plan, step
        self._ids = 0

    async def run(self) -> SparkRecord:
        """Everything. Raises CalibrateError when the example job does not do as it is told.

        Without the second job its part is missing, and the record says why: the first one took most of the time.
        """
        example = await self._example()
        if not self._plan.sorts:
            return example
        try:
            return example.model_copy(update=await self._pressure())
        except CalibrateError as error:
            return example.model_copy(update={"failures": (f"memory pressure: {error}",)})

    async def _example(self) -> SparkRecord:
        plan, files = self._plan, self._files("example", "")
        most = max(*plan.executors, *(n for _, _, n in plan.load))
        manifest = example_job(files, spark_version=pyspark.__version__, memory=MEMORY, most_executors=most)
        job = LiveJob(self._api, self._drivers, manifest, self._children)
        await job.start()
        self._step("Spark started")
        for _ in range(plan.warm_batches):
            await self._batch(job, files, plan.warm_rows)
            self._step("warming up")
        begun = time.time()
        decommissions: list[float] = []
        sweep = await self._sweep(job, files, decommissions)
        loaded = await self._load(job, files, decommissions)
        startups = job.startups(since=begun)
        restarts = [await self._restart(job, memory) for memory in self._memories()]
        await job.delete()
        return SparkRecord(
            version=pyspark.__version__,
            recordings=(sweep, loaded),
            startups=tuple(startups),
            decommissions=tuple(decommissions),
            restarts=tuple(restarts),
        )

    async def _sweep(self, job: LiveJob, files: JobFiles, decommissions: list[float]) -> Recording:
        """Batches of every size on every number of executors, one at a time."""
        plan, arrivals, batches = self._plan, [], []
        for executors in plan.executors:
            decommissions += await self._scale(job, executors)
            self._step(f"scaled to {executors}")
            await self._batch(job, files, plan.warm_rows)  # new executors start their Python workers
            self._step("warming up")
            for rows in (*plan.rows,) * plan.repeats:
                arrival, batch = await self._batch(job, files, rows)
                arrivals.append(arrival)
                batches.append(_record(batch, executors))
                self._step(f"{rows} rows on {executors}")
        return _recording("single batches", job, arrivals, batches, fitted=True)

    async def _load(self, job: LiveJob, files: JobFiles, decommissions: list[float]) -> Recording:
        """A load that rises and falls, with executors that come and go meanwhile."""
        decommissions += await self._scale(job, self._plan.load[0][2])
        first, arrivals, due, written = len(job.batches), [], 0.0, 0
        for seconds, rate, executors in self._plan.load:
            await job.pin(executors)
            begun = last = said = time.time()
            while last - begun < seconds:
                await job.look()
                now = time.time()
                if now - last < FILE_S:
                    continue
                due, last = due + rate * (now - last), now
                if int(due) > written:
                    arrivals.append(self._write(files, int(due) - written))
                    written = int(due)
                if now - said >= 10:
                    said = now
                    self._step(f"{rate:g} rows/s")
            self._step(f"{rate:g} rows/s")
        await job.until(lambda _: sum(b.rows for b in job.batches[first:]) >= written, "the load to be worked off")
        done = job.batches[first:]
        counts = job.executor_counts(done[0].start - 1, done[-1].end)
        batches = [
            _record(b, next(c.count for c in reversed(counts) if c.time <= max(b.start, counts[0].time))) for b in done
        ]
        decommissions += await self._scale(job, 1)
        return _recording("varying load", job, arrivals, batches, fitted=False)

    async def _restart(self, job: LiveJob, memory: str) -> float:
        """Change the memory, and return the outage in seconds."""
        wanted = parse_memory(memory)
        await job.set_memory(memory)

        def settled(report: DriverReport) -> bool:
            applied = report.applied
            return applied is not None and applied.memory_mib == wanted and applied.cost_seconds is not None

        report = await job.until(settled, f"the restart with {memory}")
        assert report.applied is not None and report.applied.cost_seconds is not None  # noqa: PT018, S101 - settled says so
        self._step("restarted")
        return report.applied.cost_seconds

    async def _pressure(self) -> dict[str, object]:
        """Growing working sets on one small executor: what spills, and what kills it."""
        plan, files = self._plan, self._files("working-set", "sort", "hold")
        manifest = working_set_job(files, spark_version=pyspark.__version__, memory=MEMORY)
        job = LiveJob(self._api, self._drivers, manifest, self._children)
        await job.start()
        self._step("Spark started")
        application = Application.model_validate(manifest["spec"]["application"])
        memory = parse_memory(MEMORY)
        usable = (executor_heap_mib(application, memory) - RESERVED_MIB) * USABLE
        for level in plan.sorts:  # the first batches compile their code
            await self._batch(job, files, _rows(level, usable), query="sort")
        sorts = []
        for level in (*plan.sorts,) * plan.sort_repeats:
            rows = _rows(level, usable)
            _, batch = await self._batch(job, files, rows, query="sort")
            sorts.append(
                PressureRecord(
                    memory_mib=memory,
                    working_set_mib=rows * ROW_KIB / 1024,
                    usable_mib=usable,
                    duration_s=batch.end - batch.start,
                )
            )
            self._step(f"sorted {level:g} times the memory")
        spilled = await self._spilled(job)
        held, killed = await self._hold(job, files, usable)
        await job.delete()
        return {
            "spills": tuple(sorts),
            "spill_bytes": spilled,
            "held_mib": tuple(held),
            "held_usable_mib": usable,
            "killed_at_mib": killed,
        }

    async def _spilled(self, job: LiveJob) -> int:
        """Bytes that all sorts have spilled; 0 when none was counted in time."""
        until, spilled = time.time() + SPILL_S, 0
        while not spilled and time.time() < until:
            report = await job.look()
            spilled = (report.totals.spill_bytes or 0) if report else 0
        return spilled

    async def _hold(self, job: LiveJob, files: JobFiles, usable: float) -> tuple[list[float], float | None]:
        """Working sets that the executor survived, and the one that killed it, in MiB."""
        held: list[float] = []
        for level in self._plan.held:
            rows = _rows(level, usable)
            report = await self._held(job, files, rows)
            self._step(f"held {level:g} times the memory")
            if report.totals.executors_lost:
                return held, rows * ROW_KIB / 1024
            held.append(rows * ROW_KIB / 1024)
        return held, None

    async def _held(self, job: LiveJob, files: JobFiles, rows: int) -> DriverReport:
        """What the driver says when the batch of these rows is done, or has killed its executor."""
        known = len(job.batches)
        self._write(files, rows, query="hold")
        return await job.until(
            lambda r: len(job.batches) > known or bool(r.totals.executors_lost), f"a list of {rows} rows"
        )

    async def _batch(self, job: LiveJob, files: JobFiles, rows: int, *, query: str = "") -> tuple[Arrival, BatchReport]:
        """Let some rows arrive at once, and wait for their batch."""
        known = len(job.batches)
        arrival = self._write(files, rows, query=query)
        await job.until(lambda _: len(job.batches) > known, f"a batch of {rows} rows")
        batch = job.batches[known]
        if batch.rows != rows:
            raise CalibrateError(f"job {job.name}: a batch has {batch.rows} rows, and {rows} were written")
        return arrival, batch

    async def _scale(self, job: LiveJob, executors: int) -> list[float]:
        """Pin the executors and wait until they are there; seconds until those that left were gone."""
        await job.pin(executors)
        report = await job.until(lambda r: r.executors.wanted == executors, "the number to be taken over")
        surplus, told = (report.executors.running or 0) > executors, report.time
        await job.until(
            lambda r: r.executors.running == executors and not r.executors.pending, f"{executors} executors"
        )
        if not surplus:
            return []
        while await job.executor_pods() > executors:
            if time.time() - told > GONE_S:
                return []
            await job.look()
        return [time.time() - told]

    def _memories(self) -> tuple[str, ...]:
        return tuple(itertools.islice(itertools.cycle((OTHER_MEMORY, MEMORY)), self._plan.restarts))

    def _files(self, name: str, *queries: str) -> JobFiles:
        files = JobFiles(path=self._folder.path / name)
        shutil.rmtree(files.path, ignore_errors=True)
        for query in queries:
            (files.landing / query).mkdir(parents=True)
        files.checkpoint.mkdir()
        return files

    def _write(self, files: JobFiles, rows: int, *, query: str = "") -> Arrival:
        write_file(files.landing / query, range(self._ids, self._ids + rows))
        self._ids += rows
        return Arrival(time=time.time(), rows=rows)


def _rows(level: float, usable_mib: float) -> int:
    return max(round(level * usable_mib * 1024 / ROW_KIB), 1)


def _record(batch: BatchReport, executors: int) -> BatchRecord:
    return BatchRecord(start=batch.start, end=batch.end, rows=batch.rows, executors=max(executors, 1))


def _recording(
    name: str, job: LiveJob, arrivals: Sequence[Arrival], batches: Sequence[BatchRecord], *, fitted: bool
) -> Recording:
    return Recording(
        name=name,
        fitted=fitted,
        trigger_interval_s=TRIGGER_S,
        memory_mib=parse_memory(MEMORY),
        executors=job.executor_counts(batches[0].start - 1, batches[-1].end),
        arrivals=tuple(arrivals),
        batches=tuple(batches),
    )
