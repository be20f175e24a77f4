"""When signals of a burst make a cycle: at once, then bounded, and none is lost."""

import asyncio
from dataclasses import dataclass, field

import pytest

from sparkiot_operator import burst_wake
from sparkiot_operator.burst_wake import MOST_S, SOON_S, BurstWake


@dataclass
class Job:
    now: float = 1000.0
    woken: list[float] = field(default_factory=list)

    def wake(self) -> None:
        self.woken.append(self.now)


@pytest.fixture
def job() -> Job:
    return Job()


@pytest.fixture
def bursts(job: Job) -> BurstWake:
    return BurstWake(job.wake, clock=lambda: job.now)


async def test_the_first_wakes_at_once_and_so_does_one_that_comes_later(job: Job, bursts: BurstWake) -> None:
    bursts.notice()
    job.now += SOON_S
    bursts.notice()
    assert job.woken == [1000.0, 1000.0 + SOON_S]


async def test_a_burst_that_goes_on_growing_wakes_less_and_less_often(job: Job, bursts: BurstWake) -> None:
    for step in (0.0, 1.0, 2.0, 4.0, MOST_S, MOST_S):
        job.now += step
        bursts.notice()
    assert job.woken == [1000.0, 1001.0, 1003.0, 1007.0, 1012.0, 1017.0]
    assert bursts._postponed is None
    job.now += MOST_S - 0.1
    bursts.notice()
    assert bursts._postponed is not None
    bursts.stop()


async def test_the_next_burst_begins_anew(job: Job, bursts: BurstWake) -> None:
    for step in (0.0, 1.0, 2.0, 4.0, 2 * MOST_S + 0.1, SOON_S):
        job.now += step
        bursts.notice()
    assert job.woken[-2:] == [1017.1, 1018.1]


async def test_all_that_come_too_soon_wake_once_when_the_time_is_over(
    job: Job, bursts: BurstWake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(burst_wake, "SOON_S", 0.05)
    bursts.notice()
    for _ in range(3):
        bursts.notice()
    assert job.woken == [1000.0]
    job.now += 0.05
    await asyncio.sleep(0.2)
    assert job.woken == [1000.0, 1000.05]


async def test_a_clock_that_was_set_back_does_not_keep_the_job_asleep(job: Job, bursts: BurstWake) -> None:
    bursts.notice()
    job.now -= 3600.0
    before = asyncio.get_running_loop().time()
    bursts.notice()
    assert bursts._postponed is not None
    assert bursts._postponed.when() <= before + SOON_S + 1.0
    bursts.stop()


async def test_a_job_that_ends_is_not_woken(job: Job, bursts: BurstWake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(burst_wake, "SOON_S", 0.05)
    bursts.notice()
    bursts.notice()
    bursts.stop()
    await asyncio.sleep(0.2)
    assert job.woken == [1000.0]
