"""The collector of all jobs: one sample a job, series when Prometheus asks."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from sparkiot_operator.events import JobRef

from .families import JOB_LABELS, Family, Readings
from .gauges import CYCLE_GAUGES, STATUS_GAUGES
from .sample import JobSample
from .totals import SPREADS, TOTALS

Samples = list[tuple[tuple[str, str], JobSample]]


class JobCollector(Collector):
    """Series of the jobs that exist now. ``collect`` may run in another thread than what fills the samples."""

    def __init__(self) -> None:
        self._samples: dict[JobRef, JobSample] = {}

    def __len__(self) -> int:
        return len(self._samples)

    def sample(self, ref: JobRef) -> JobSample:
        return self._samples.setdefault(ref, JobSample())

    def forget(self, ref: JobRef) -> None:
        self._samples.pop(ref, None)

    def describe(self) -> Iterator[Metric]:
        """Nothing, so that registering does not collect."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        samples = [((ref.namespace, ref.name), sample) for ref, sample in list(self._samples.items())]
        # Each sample's last cycle is taken once, so that a job's gauges are of one and the same.
        running = [(job, cycle) for job, sample in samples if (cycle := sample.last) is not None]
        for gauge in CYCLE_GAUGES:
            family = GaugeMetricFamily(gauge.family.name, gauge.family.text, labels=_labels(gauge.family))
            for job, cycle in running:
                _add(family, job, gauge.read(cycle))
            yield family
        for status in STATUS_GAUGES:
            family = GaugeMetricFamily(status.family.name, status.family.text, labels=_labels(status.family))
            for job, sample in samples:
                _add(family, job, status.read(sample))
            yield family
        yield from _counters(samples)
        yield from _histograms(samples)


def _counters(samples: Samples) -> Iterator[Metric]:
    for total in TOTALS:
        family = CounterMetricFamily(total.family.name, total.family.text, labels=_labels(total.family))
        for job, sample in samples:
            _add(family, job, total.read(sample))
        yield family


def _histograms(samples: Samples) -> Iterator[Metric]:
    for spread in SPREADS:
        family = HistogramMetricFamily(spread.family.name, spread.family.text, labels=_labels(spread.family))
        for job, sample in samples:
            found = spread.read(sample)
            family.add_metric(job, buckets=found.buckets(), sum_value=found.sum)
        yield family


def _add(family: GaugeMetricFamily | CounterMetricFamily, job: tuple[str, str], readings: Readings) -> None:
    for extra, value in readings:
        if value is not None:
            family.add_metric((*job, *extra), value)


def _labels(family: Family) -> tuple[str, ...]:
    return (*JOB_LABELS, *family.labels)
