"""The regression gate: the shipped policies on a fixed program, beside the scores recorded in the repository.

python -m sparkiot_sim.tournament.gate            # fails when a shipped policy has become worse
python -m sparkiot_sim.tournament.gate --record   # writes the scores of today; say in the commit why they changed
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparkiot_sim.data import CITY_TRAFFIC
from sparkiot_sim.generators import HOUR_S, Kind
from sparkiot_sim.trace import read_trace

from .entry import Entry
from .held_out import MEAN_RATE
from .matches import Load, Played, Tournament
from .paired import paired
from .play import play
from .statistics import Estimate

RECORD = Path(__file__).with_name("recorded.json")
POLICIES = ("default", "default:weights=Auto")
SEEDS = tuple(range(3001, 3011))
HOURS = 1.5
PRESETS = ("cloud-coldstart", "spot")
ALL = "all workloads"
MARGINS = {"attainment": 0.1, "cost": 1.0}
"""Points of attainment and percent of cost that nobody would call a regression: another machine's rounding may turn a
decision, and what follows from it differs by about as much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score(Played):
    """What the gate remembers of a match."""

    slo_attainment: float
    cost_dollars: float


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison with the record, ours minus recorded. measure: a key of MARGINS. where: a workload, or all."""

    policy: str
    where: str
    measure: str
    difference: Estimate

    @property
    def worse(self) -> bool:
        """By more than the interval of the paired difference, and by more than the margin; also where a match had no
        batch at all (NaN)."""
        loss = self.difference.mean if self.measure == "cost" else -self.difference.mean
        return not (loss <= MARGINS[self.measure] or loss <= (self.difference.half_width or 0.0))

    def __str__(self) -> str:
        unit = "%" if self.measure == "cost" else "points"
        spread = "" if self.difference.half_width is None else f" ± {self.difference.half_width:.2f}"
        found = f"{self.measure} {self.difference.mean:+.2f}{spread} {unit}"
        return f"{'WORSE' if self.worse else 'ok   '} {self.policy}, {self.where}: {found}"


class RecordError(Exception):
    """The record cannot be compared with; the message says why and what to do."""


def program(entries: Sequence[Entry] = ()) -> Tournament:
    """Days' worth of hours for less than a minute of two cores, on seeds that no choice of a policy has looked at.

    entries: who plays; none for the shipped policies.
    """
    recorded = read_trace(CITY_TRAFFIC).workload
    return Tournament(
        entries=tuple(entries) or tuple(Entry.of(policy) for policy in POLICIES),
        loads=tuple(Load(source=source, mean_rate=MEAN_RATE) for source in (*Kind, recorded)),
        presets=PRESETS,
        seeds=SEEDS,
        duration_s=HOURS * HOUR_S,
    )


def scores(tournament: Tournament, *, progress: Callable[[int, int], None] = lambda _done, _all: None) -> list[Score]:
    """Play a program."""
    return [
        Score(
            **result.match(),
            slo_attainment=result.summary.slo_attainment,
            cost_dollars=result.summary.cost_dollars,
        )
        for result in play(tournament, progress=progress)
    ]


def checks(ours: Sequence[Score], recorded: Sequence[Score]) -> list[Check]:
    """Each policy over all workloads and over each. Raises RecordError when the record is of another program."""
    found = []
    for policy in dict.fromkeys(score.policy for score in ours):
        mine, past = _of(ours, policy), _of(recorded, policy)
        for where in (ALL, *dict.fromkeys(score.workload for score in mine)):
            here, then = ([s for s in side if where in {ALL, s.workload}] for side in (mine, past))
            try:
                lost = paired(here, then, lambda a, b: 100 * (a.slo_attainment - b.slo_attainment))
                paid = paired(here, then, lambda a, b: 100 * (a.cost_dollars / b.cost_dollars - 1))
            except ValueError as error:
                raise RecordError(
                    f"{policy}: the recorded scores are of another program ({error}); record them anew"
                ) from error
            found += [Check(policy, where, "attainment", lost), Check(policy, where, "cost", paid)]
    return found


def read(path: Path = RECORD) -> list[Score]:
    """The recorded scores. Raises RecordError."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return [Score(**dict(zip(record["columns"], line, strict=True))) for line in record["scores"]]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RecordError(f"{path}: cannot be read ({error}); record the scores anew") from error


def write(found: Sequence[Score], path: Path = RECORD) -> None:
    """Record scores, one line a match. Raises OSError."""
    columns = list(Score.__dataclass_fields__)
    lines = ",\n".join(json.dumps([getattr(score, name) for name in columns]) for score in found)
    path.write_text(f'{{"columns": {json.dumps(columns)}, "scores": [\n{lines}\n]}}\n', encoding="utf-8")


def _of(all_scores: Sequence[Score], policy: str) -> list[Score]:
    return [score for score in all_scores if score.policy == policy]


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where no shipped policy is worse than recorded."""
    parser = argparse.ArgumentParser(prog="python -m sparkiot_sim.tournament.gate", description=__doc__)
    parser.add_argument("--record", action="store_true", help="write the scores instead of comparing with them")
    if parser.parse_args(arguments).record:
        write(scores(program()))
        print(f"written: {RECORD}")
        return 0
    try:
        recorded = read()
        found = checks(scores(program()), recorded)
    except RecordError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for check in found:
        print(check)
    worse = sum(check.worse for check in found)
    if worse:
        print(
            f"error: {worse} of {len(found)} checks are worse than recorded. If that is meant, run"
            " python -m sparkiot_sim.tournament.gate --record and say why in the commit.",
            file=sys.stderr,
        )
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
