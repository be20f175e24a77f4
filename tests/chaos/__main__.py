"""``python -m chaos --seed 1 --minutes 30``: a run, with its progress, its figures, and an exit code."""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData")

from chaos.client import RefusedError, UnreachableError
from chaos.faults.catalogue import BY_NAME, FAULTS
from chaos.faults.left_out import left_out
from chaos.figures import summary
from chaos.invariants.catalogue import invariants
from chaos.runner import Runner, ViolationError
from chaos.schedule import Kind, steps
from chaos.world import World, running_world
from sparkiot_operator.processes import ended_by_sigterm

SHORT_MINUTES = 5.0
"""A run of less has all faults of a round in as few steps as their levers allow."""
MANY, FEW = (11, 11), (1, 4)


def main() -> int:
    options = _options()
    begun = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - begun:7.1f} s  {line}", flush=True)

    chosen = [fault for fault in FAULTS if not options.only or fault.kind.name in options.only]
    absent = {fault.kind.name: why for fault in chosen if (why := left_out(fault)) is not None}
    kinds = [fault.kind for fault in chosen if fault.kind.name not in absent]
    folder = Path(tempfile.mkdtemp(prefix="sparkiot-chaos-"))
    say(f"seed {options.seed}, {options.minutes:g} min, {len(kinds)} kinds of faults; logs in {folder}")
    # A shell that runs this in the background has it ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with ended_by_sigterm(), running_world(folder, seed=options.seed) as world:
        runner = Runner(world, invariants(), say=say)
        failure = _run(runner, world, kinds, options, until=begun + options.minutes * 60)
        lines = [*runner.figures.table(BY_NAME), *summary(world, runner.figures)]
    print("\n".join([*lines, *(f"left out: {name}: {why}" for name, why in absent.items())]))
    if failure is not None:
        print(f"\nVIOLATED, seed {options.seed}, {failure}\nlogs in {folder}")
        return 1
    if not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=51, help="of the schedule; the same one gives the same faults")
    parser.add_argument("--minutes", type=float, default=1.0, help="after which no step begins, once each kind had one")
    parser.add_argument("--only", action="append", choices=sorted(BY_NAME), help="kinds of faults; may be repeated")
    parser.add_argument("--keep", action="store_true", help="keep the folder with all logs, as a run that fails does")
    return parser.parse_args()


def _run(
    runner: Runner, world: World, kinds: Sequence[Kind], options: argparse.Namespace, *, until: float
) -> str | None:
    """What did not hold and in which step; None where all did. until: by the running clock."""
    least, most = MANY if options.minutes < SHORT_MINUTES else FEW
    where = "as all began"
    try:
        runner.begin()
        for step in steps(options.seed, kinds, least=least, most=most):
            if step.round > 0 and time.monotonic() > until:
                break
            where = f"step {step.number}"
            runner.step(step, [BY_NAME[p.kind](world, luck=p.luck) for p in step.faults])
        where = "at the end"
        runner.end()
    except (ViolationError, UnreachableError, RefusedError) as error:
        return f"{where}: {error}"
    return None


if __name__ == "__main__":
    sys.exit(main())
