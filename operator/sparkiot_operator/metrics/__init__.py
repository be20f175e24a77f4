"""Prometheus metrics, with their units in their names.

What a job is now is kept as one sample a job and turned into series when Prometheus asks: a cycle costs one assignment,
a job that goes takes its series along, and no label can grow without bound (codes and reasons are enumerations). What
nobody measured has no series.

    families.py                     what a metric is called, means and is labelled with
    sample.py, restarts.py          what is kept of one job
    gauges.py, shuffle_gauges.py, promotion_gauges.py    what a job is now
    totals.py                       what a job did: counters and histograms
    jobs.py                         the collector of all jobs
    process.py                      the operator itself; api_calls.py and timed.py measure for it
    reference.py                    the reference page, written from the families
    panels.py, dashboard.py         the Grafana dashboard: what it shows, and its form
"""

from .jobs import JobCollector
from .process import Metrics
from .sample import JobSample

__all__ = ["JobCollector", "JobSample", "Metrics"]
