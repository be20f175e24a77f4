"""200 simulated jobs at 10 s intervals on the embedded cluster, each in a process of its own.

Prints the operator's CPU and memory (bars: half a core, 300 MB), decisions, lateness and API writes. Run by hand.
"""

import argparse
import re
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil
from support_operator import running_rig, simulated_job

GENERATORS = ("SmartCity", "Healthcare", "Industrial")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0, help="measured after a warm-up of 20 s")
    parser.add_argument("--acceleration", type=float, default=1.0)
    parser.add_argument("--interval", default="10s")
    parser.add_argument("--policy", default="default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_rig(Path(folder), "--health-port", "0") as rig:
        jobs = []
        for number in range(options.jobs):
            generator = {"kind": GENERATORS[number % 3], "meanRate": 200 + number}
            simulation = {
                "acceleration": options.acceleration, "seed": number, "workload": {"generator": generator}, "edge": {}
            }  # fmt: skip
            spec = {"scaling": {"interval": options.interval}, "policy": {"name": options.policy}}
            jobs.append(simulated_job(f"job-{number}", spec=spec, simulation=simulation))
        began = time.monotonic()
        rig.kubectl("apply", "-f", "-", stdin=jobs)
        print(f"{options.jobs} jobs applied in {time.monotonic() - began:.1f} s")
        time.sleep(20)
        operator, cluster = psutil.Process(rig.operator.pid), psutil.Process(rig.cluster.pid)
        start, before, cluster_before = time.monotonic(), cpu(operator), cpu(cluster)
        first = metrics(rig.operator.text())
        time.sleep(options.seconds)
        elapsed, last = time.monotonic() - start, metrics(rig.operator.text())
        cycles = count(last, "sparkiot_cycle_duration_seconds_count") - count(
            first, "sparkiot_cycle_duration_seconds_count"
        )
        writes = count(last, "sparkiot_status_writes_total") - count(first, "sparkiot_status_writes_total")
        print(f"operator: {(cpu(operator) - before) / elapsed:.2f} cores, {operator.memory_info().rss / 1e6:.0f} MB")
        print(f"embedded cluster: {(cpu(cluster) - cluster_before) / elapsed:.2f} cores")
        print(f"decisions: {cycles / elapsed:.1f}/s, skipped {count(last, 'sparkiot_job_cycles_skipped_total'):.0f}, "
              f"errors {count(last, 'sparkiot_job_cycle_errors_total'):.0f}")  # fmt: skip
        print(f"lateness p50 <= {quantile(first, last, 0.5):g} s, p99 <= {quantile(first, last, 0.99):g} s")
        print(f"status writes: {writes / elapsed:.1f}/s")


def cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def metrics(log: str) -> str:
    url = re.search(r"http://127\.0\.0\.1:\d+", log)
    if url is None:
        raise SystemExit(f"the operator's log names no health port:\n{log}")
    with urllib.request.urlopen(f"{url[0]}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def count(text: str, name: str) -> float:
    """The sum over all series of a metric."""
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE))


def quantile(first: str, last: str, q: float) -> float:
    """The upper bound of the histogram bucket that holds the quantile."""
    pattern = r'^sparkiot_cycle_lateness_seconds_bucket\{le="([^"]+)"\} (\S+)$'
    before = dict(re.findall(pattern, first, re.MULTILINE))
    counts = [(float(le), float(n) - float(before[le])) for le, n in re.findall(pattern, last, re.MULTILINE)]
    total = counts[-1][1]
    return next(le for le, n in counts if n >= q * total)


if __name__ == "__main__":
    main()
