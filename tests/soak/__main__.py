"""``python -m soak run`` and ``python -m soak report FOLDER``; ``make soak`` is the first, with its usual length."""

import argparse
import asyncio
import os
from pathlib import Path

from sparkiot_operator.embedded import Folder
from sparkiot_operator.processes import ended_by_sigterm

from . import findings, report
from .run import Plan, soak, started


def main() -> int:
    """0 when nothing was found wrong, 1 when something was."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run a soak, then report")
    run.add_argument("--minutes", type=float, default=120.0)
    run.add_argument("--jobs", type=int, default=50)
    run.add_argument("--seed", type=int, default=0)
    run.add_argument("--sample", type=float, default=15.0, help="seconds between two samples")
    run.add_argument("--action", type=float, default=10.0, help="seconds between two actions on jobs")
    run.add_argument("--to", type=Path, default=Path("runs/soak"), dest="folder")
    about = commands.add_parser("report", help="report on the samples so far; also while the soak runs")
    about.add_argument("folder", type=Path)
    given = parser.parse_args()
    if given.command == "run":
        _run(
            Plan(
                folder=given.folder,
                minutes=given.minutes,
                jobs=given.jobs,
                seed=given.seed,
                sample_s=given.sample,
                action_s=given.action,
            )
        )
    found = findings.read(given.folder)
    report.write(given.folder, found)
    print((given.folder / "report.md").read_text(encoding="utf-8"))
    return 1 if found.faults else 0


def _run(plan: Plan) -> None:
    folder = Folder(plan.folder)
    try:
        with ended_by_sigterm(), started(folder) as (operator, cluster, url):
            os.environ["KUBECONFIG"] = str(folder.kubeconfig)
            asyncio.run(soak(plan, folder, operator, cluster, url))
    except KeyboardInterrupt:
        print("stopped early; the report is of the samples so far")


raise SystemExit(main())
