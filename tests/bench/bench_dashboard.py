"""What the built-in page costs: an operator for each decision, memory for each job, a browser for 200 jobs.

python tests/bench/bench_dashboard.py
"""

import time
import tracemalloc
from collections.abc import Callable

from support_dashboard import FakeApi, Played, board, filled, played

from sparkiot_operator.dashboard.board import Snapshot
from sparkiot_operator.dashboard.jobs import view
from sparkiot_operator.dashboard.overview import Query
from sparkiot_operator.dashboard.pages import Pages
from sparkiot_operator.dashboard.samples import SAMPLES, Timelines
from sparkiot_policies.decide import decide
from sparkiot_policies.rules import rule

JOBS = 200
REPEAT = 20


def main() -> None:
    day = played(hours=3.5)
    whole = day.recent(SAMPLES)
    record_s = _timed(lambda: filled(whole), 3) / SAMPLES
    rate = rule("Rate")
    last = whole.records[-1]
    decide_s = _timed(lambda: decide(last.job, last.evaluation, rate, fallback=rate), 200)
    print(f"a decision is remembered in {record_s * 1e6:.0f} µs, {record_s / decide_s:.1f} times a rule's decision")

    tracemalloc.start()
    timelines = filled(whole)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"a job with {SAMPLES} cycles takes {held / 1024:.0f} KiB")

    jobs = [whole.renamed("iot", f"job-{n:03}", f"uid-{n}") for n in range(JOBS)]
    pages = Pages(board(FakeApi(), _shared(timelines, jobs)))
    snapshot = Snapshot(tuple(view(job.resource) for job in jobs), 0.0)
    view_s = _timed(lambda: [view(job.resource) for job in jobs], REPEAT)
    text = pages.overview(snapshot, Query())
    render_s = _timed(lambda: pages.overview(snapshot, Query()), REPEAT)
    print(f"{JOBS} jobs: read in {view_s * 1000:.0f} ms, rendered in {render_s * 1000:.0f} ms, {len(text) // 1024} KiB")


def _shared(timelines: Timelines, jobs: list[Played]) -> Timelines:
    """Every job with the samples of the one that was filled."""
    (source,) = (timelines.find(played(hours=3.5).ref),)
    shared = Timelines()
    for job in jobs:
        made = shared.timeline(job.ref)
        if source is not None:
            made.samples.extend(source.samples)
    return shared


def _timed(call: Callable[[], object], repeat: int) -> float:
    """CPU seconds of the cheapest call."""
    best = float("inf")
    for _ in range(repeat):
        begun = time.process_time()
        call()
        best = min(best, time.process_time() - begun)
    return best


if __name__ == "__main__":
    main()
