"""What a bench reads out of two scrapes: every number here was computed by hand."""

import pytest

from sparkiot_operator.bench.figures import Look, figures
from sparkiot_operator.bench.jobs import bench_job
from sparkiot_operator.bench.report import document, shown
from sparkiot_operator.metrics import Metrics
from sparkiot_operator.resource.translate import parse_spec


def scrape(
    *, cpu: float, cycles: int, late: tuple[int, int, int, int], patches: int, gets: int, skipped: int, at: float
) -> Look:
    """late: cycles up to 0.1 s, up to 1 s, up to 10 s, and all."""
    buckets = "\n".join(
        f'sparkiot_cycle_lateness_seconds_bucket{{le="{bound}"}} {count}'
        for bound, count in zip(("0.1", "1.0", "10.0", "+Inf"), late, strict=True)
    )
    return Look.of(
        f"""# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total {cpu}
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 2.5e+08
# TYPE sparkiot_cycle_duration_seconds histogram
sparkiot_cycle_duration_seconds_bucket{{le="+Inf"}} {cycles}
sparkiot_cycle_duration_seconds_count {cycles}
sparkiot_cycle_duration_seconds_sum 1.5
# TYPE sparkiot_cycle_lateness_seconds histogram
{buckets}
# TYPE sparkiot_api_requests_total counter
sparkiot_api_requests_total{{verb="GET",code="200"}} {gets}
sparkiot_api_requests_total{{verb="PATCH",code="200"}} {patches}
sparkiot_api_requests_total{{verb="PATCH",code="409"}} 2
sparkiot_api_requests_total{{verb="POST",code="201"}} 10
# TYPE sparkiot_job_cycles_skipped_total counter
sparkiot_job_cycles_skipped_total{{namespace="a",name="x"}} {skipped}
sparkiot_job_cycles_skipped_total{{namespace="a",name="y"}} 1
""",
        at=at,
    )


def test_rates_are_of_the_time_between_two_looks() -> None:
    before = scrape(cpu=10, cycles=100, late=(90, 100, 100, 100), patches=50, gets=7, skipped=0, at=1000)
    after = scrape(cpu=25, cycles=300, late=(190, 294, 298, 300), patches=80, gets=99, skipped=3, at=1020)
    found = figures(before, after, jobs=100, interval_s=10, load=1.5)
    assert found.cores == pytest.approx(0.75)  # 15 s of 20
    assert found.rss_mb == 250
    assert found.decisions == pytest.approx(10)  # 200 in 20 s
    assert found.decisions_wanted == 10
    assert found.skipped == 3
    assert found.api_writes == {"PATCH": pytest.approx(1.5), "POST": 0}  # 30 in 20 s; reads are none
    # Of 200 cycles 100 came within 0.1 s, 194 within 1 s and 198 within 10 s: the 100th and the 198th.
    assert found.lateness_p50 == pytest.approx(0.1 / 10)
    assert found.lateness_p99 == pytest.approx(10 / 10)


def test_what_an_operator_does_not_tell_is_missing_and_not_zero() -> None:
    empty = Look.of("", at=0)
    found = figures(empty, Look.of("", at=10), jobs=10, interval_s=10, load=0.1)
    assert (found.cores, found.rss_mb, found.decisions, found.lateness_p99) == (None, None, None, None)
    assert shown(found)["cores"] == "–"
    assert document(found)["api_patch"] is None


def test_a_lateness_beyond_the_last_bucket_is_told_as_such() -> None:
    before = scrape(cpu=0, cycles=0, late=(0, 0, 0, 0), patches=0, gets=0, skipped=0, at=0)
    after = scrape(cpu=0, cycles=10, late=(1, 1, 1, 10), patches=0, gets=0, skipped=0, at=10)
    assert shown(figures(before, after, jobs=1, interval_s=10, load=0))["p99"] == "> the last bucket"


def test_the_operator_has_the_metrics_that_are_read() -> None:
    metrics = Metrics()
    metrics.cycle_seconds.observe(0.01)
    metrics.lateness_seconds.observe(0.01)
    metrics.status_writes.labels("ok").inc()
    look = Look.of(metrics.render().decode(), at=0)
    assert look.total("sparkiot_cycle_duration_seconds_count") == 1
    assert look.total("sparkiot_status_writes_total") == 1
    assert look.by("sparkiot_cycle_lateness_seconds_bucket", "le")["+Inf"] == 1


def test_jobs_are_valid_and_share_few_loads() -> None:
    jobs = [bench_job(number, interval="10s", policy="default") for number in range(100)]
    specs = [parse_spec(job["spec"]) for job in jobs]
    assert len({job["metadata"]["name"] for job in jobs}) == 100
    loads = {str(spec.simulation.workload) + str(spec.simulation.seed) for spec in specs if spec.simulation}
    assert len(loads) == 9
