"""How much earlier the edge makes a job grow: the whole pipe's demo, several times, each with its own bursts.

Prints medians, and the machine's load while it ran: under a load of its own it measures that. Runs in which the job had
not come to rest before a burst are counted and left out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

ROWS = {
    "alarm_s": "from the burst to the alarm",
    "requested_s": "from the burst to the first request for an executor",
    "running_s": "from the burst to one more executor at work",
    "on_time": "batches within the target",
    "messages_on_time": "messages within the target",
    "worst_s": "latency of the worst batch",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    runs, loads = [], []
    for number in range(options.runs):
        runs.append(run())
        loads.append(os.getloadavg()[1])
        print(f"run {number + 1} of {options.runs}: load {loads[-1]:.1f}, {runs[-1]}", file=sys.stderr)
    rested = [each for each in runs if each["with"]["at_rest"] and each["without"]["at_rest"]]
    print(
        f"{len(rested)} of {len(runs)} runs met a job at rest; load over five minutes {min(loads):.1f}-{max(loads):.1f}"
    )
    print(f"{'median of':52} {'edge on':>8} {'edge off':>8}")
    for key, meaning in ROWS.items():
        print(f"{meaning:52} {middle(rested, 'with', key):>8} {middle(rested, 'without', key):>8}")
    waits = [each["with"]["requested_s"] - each["with"]["alarm_s"] for each in rested if told(each["with"])]
    print(f"{'from the alarm to the request':52} {statistics.median(waits) if waits else float('nan'):>8.2f}")


def run() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sparkiot_operator", "demo-pipeline", "--folder", folder, "--output", "json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def told(burst: dict[str, Any]) -> bool:
    return burst["alarm_s"] is not None and burst["requested_s"] is not None


def middle(runs: Sequence[dict[str, Any]], side: str, key: str) -> str:
    values = [each[side][key] for each in runs if each[side][key] is not None]
    return f"{statistics.median(values):.2f}" if values else "-"


if __name__ == "__main__":
    main()
