"""How much earlier the edge makes a job grow, and what it is worth: the whole pipe's demo, several times.

Every second run has the burst without the edge first, lest it be the second burst that is quicker. A run that failed,
or of which a burst did not meet the job at rest, is told and left out. Prints the medians of the others, and the
machine's load while it ran: under a load of its own it measures that. A run takes about four minutes, and never more
than MOST_S.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any

MOST_S = 720.0
STOP_S = 120.0
Run = dict[str, Any]
ROWS = {
    "alarm_s": "from the burst to the alarm, s",
    "requested_s": "from the burst to the first request for an executor, s",
    "running_s": "from the burst to one more executor at work, s",
    "on_time": "batches within the target",
    "messages_on_time": "messages within the target",
    "median_s": "latency of a batch, median, s",
    "worst_s": "latency of a batch, worst, s",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    rested, loads = [], []
    for number in range(options.runs):
        found, problem = run(edge_last=number % 2 == 1)
        loads.append(os.getloadavg()[1])
        problem = problem or unrest(found)
        if not problem:
            rested.append(found)
        print(f"run {number + 1} of {options.runs}: {problem or told(found)}; load {loads[-1]:.1f}", file=sys.stderr)
    print(
        f"{len(rested)} of {options.runs} runs met a job at rest twice; load over five minutes "
        f"{min(loads):.1f}-{max(loads):.1f}"
    )
    if not rested:
        raise SystemExit("nothing to compare: is the machine busy with other things?")
    print(f"{'median of ' + str(len(rested)):56} {'edge on':>8} {'edge off':>8}")
    print(f"{'bursts in which executors were requested':56} {asked(rested, 'with'):>8} {asked(rested, 'without'):>8}")
    for key, meaning in ROWS.items():
        print(f"{meaning:56} {middle(rested, 'with', key):>8} {middle(rested, 'without', key):>8}")
    print(f"{'from the alarm to the request, s':56} {median(map(after_alarm, rested)):>8}")
    print(f"{'later without the edge: the request, s':56} {'':>8} {median(map(later, rested)):>8}")


def run(*, edge_last: bool) -> tuple[Run, str]:
    """What the demo found, and why it did not."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sparkiot_operator", "demo-pipeline", "--folder", folder, "--output", "json"]
        command += ["--edge-last"] if edge_last else []
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
            try:
                out, err = demo.communicate(timeout=MOST_S)
            except subprocess.TimeoutExpired:
                # It takes its children with it.
                demo.send_signal(signal.SIGTERM)
                try:
                    demo.communicate(timeout=STOP_S)
                except subprocess.TimeoutExpired:
                    demo.kill()
                return {}, f"it had not ended after {MOST_S:g} s"
    if demo.returncode != 0:
        return {}, f"it failed: {' '.join(err.split()[-60:])}"
    found: Run = json.loads(out)
    return found, ""


def unrest(found: Run) -> str:
    """Which bursts did not meet the job at rest, and what it lacked; empty when both did."""
    return "; ".join(
        f"not counted: not at rest before the burst {side} the edge ({found[side]['unrest']})"
        for side in ("with", "without")
        if found[side]["unrest"]
    )


def told(found: Run) -> str:
    sides = (f"{side} {json.dumps({key: found[side][key] for key in ROWS})}" for side in ("with", "without"))
    return f"{found['seconds']:.0f} s, {', '.join(sides)}"


def after_alarm(found: Run) -> float | None:
    """From the alarm to the request; None where one of them did not come."""
    return difference(found["with"]["requested_s"], found["with"]["alarm_s"])


def later(found: Run) -> float | None:
    """By how much the request came later without the edge."""
    return difference(found["without"]["requested_s"], found["with"]["requested_s"])


def difference(value: float | None, less: float | None) -> float | None:
    return None if value is None or less is None else value - less


def asked(runs: Sequence[Run], side: str) -> int:
    return sum(found[side]["requested_s"] is not None for found in runs)


def middle(runs: Sequence[Run], side: str, key: str) -> str:
    return median(found[side][key] for found in runs)


def median(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{statistics.median(known):.2f}" if known else "-"


if __name__ == "__main__":
    main()
