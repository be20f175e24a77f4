"""One operator under more and more jobs: creates them, waits until all run, and looks at its metrics twice."""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from sparkiot_operator.errors import OperatorError
from sparkiot_operator.kube import KubeApi
from sparkiot_operator.own_namespace import create_all, own_namespace
from sparkiot_operator.resource.base import seconds

from .figures import Figures, Look, figures
from .jobs import bench_job

OWNER = "sparkiot-bench"
LOOK_S = 1.0
LIST_S = 2.0
"""Between two lists of all jobs: a thousand of them are megabytes."""
SCRAPE_S = 30.0
"""A thousand jobs have tens of thousands of series."""
RUNNING_S = 60.0
RUNNING_PER_JOB_S = 0.5
"""Most time that jobs get to run: so much, and so much more for each."""


class BenchError(OperatorError):
    """Nothing could be measured; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure. counts: of jobs, ascending. interval: between a job's decisions, such as 10s. warm_up_s,
    measured_s: seconds of real time at each count."""

    namespace: str
    counts: tuple[int, ...]
    interval: str
    policy: str
    warm_up_s: float
    measured_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Where progress goes. say: a line. step: what is under way, how far, of how much."""

    say: Callable[[str], None]
    step: Callable[[str, float, float], None]


async def measure(api: KubeApi, plan: Plan, *, metrics_url: str, told: Told, each: Callable[[Figures], None]) -> None:
    """Measure at each count of jobs; what was made is deleted at the end, come what may.

    metrics_url: ``/metrics`` of the operator that runs the jobs. each: takes each row as soon as it is there.
    Raises BenchError, NamespaceInUseError or ApiError.
    """
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SCRAPE_S)) as http,
        own_namespace(api, plan.namespace, owner=OWNER, say=told.say) as place,
    ):
        await _look(http, metrics_url)  # an address that does not answer is found before jobs are made
        made = 0
        for count in plan.counts:
            wanted = [bench_job(i, interval=plan.interval, policy=plan.policy) for i in range(made, count)]
            await create_all(api, wanted, place, done=_step(told, f"{count} jobs: creating", count - made))
            made = count
            await _until_running(api, plan, count, told)
            await _wait(plan.warm_up_s, _step(told, f"{count} jobs: warming up", plan.warm_up_s))
            before = await _look(http, metrics_url)
            await _wait(plan.measured_s, _step(told, f"{count} jobs: measuring", plan.measured_s))
            after = await _look(http, metrics_url)
            load = os.getloadavg()[0]
            each(figures(before, after, jobs=count, interval_s=seconds(plan.interval), load=load))


def _step(told: Told, what: str, total: float) -> Callable[[float], None]:
    return lambda done: told.step(what, done, total)


async def _look(http: aiohttp.ClientSession, url: str) -> Look:
    try:
        async with http.get(url) as answer:
            answer.raise_for_status()
            text = await answer.text()
        return Look.of(text, at=time.monotonic())
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise BenchError(f"{url} tells no metrics: {str(error) or type(error).__name__}") from error


async def _until_running(api: KubeApi, plan: Plan, count: int, told: Told) -> None:
    limit = RUNNING_S + RUNNING_PER_JOB_S * count
    running = 0

    async def all_run() -> None:
        nonlocal running
        while running < count:
            jobs = await api.list_jobs(plan.namespace)
            running = sum((job.get("status") or {}).get("phase") == "Running" for job in jobs)
            told.step(f"{count} jobs: running", running, count)
            if running < count:
                await asyncio.sleep(LIST_S)

    try:
        await asyncio.wait_for(all_run(), limit)
    except TimeoutError:
        raise BenchError(
            f"of {count} jobs {running} run after {limit:.0f} s: does an operator watch namespace {plan.namespace}?"
        ) from None


async def _wait(wait_s: float, done: Callable[[float], None]) -> None:
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < wait_s:
        done(passed)
        await asyncio.sleep(min(LOOK_S, wait_s - passed))
