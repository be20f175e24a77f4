"""``python -m soak run`` and ``python -m soak report FOLDER``; ``make soak`` is the first, with its usual length."""

import argparse
import asyncio
import os
from pathlib import Path

from sparkiot_operator.embedded import Folder
from sparkiot_operator.processes import ended_by_sigterm

from .run import Plan, soak, started


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run a soak, then report")
    run.add_argument("--minutes", type=float, default=120.0)
    run.add_argument("--jobs", type=int, default=50)
    run.add_argument("--seed", type=int, default=0)
    run.add_argument("--sample", type=float, default=15.0, help="seconds between two samples")
    run.add_argument("--to", type=Path, default=Path("runs/soak"))
    report = commands.add_parser("report", help="report on the samples so far; also while the soak runs")
    report.add_argument("folder", type=Path)
    given = parser.parse_args()
    if given.command == "run":
        plan = Plan(folder=given.to, minutes=given.minutes, jobs=given.jobs, seed=given.seed, sample_s=given.sample)
        folder = Folder(given.to)
        with ended_by_sigterm(), started(folder) as (operator, cluster, url):
            os.environ["KUBECONFIG"] = str(folder.kubeconfig)
            asyncio.run(soak(plan, folder, operator, cluster, url))
    return 0


raise SystemExit(main())
