"""Whether a policy that was trained on a log is better on days of it that the training never saw.

Both policies play the same pieces of the held-out days: the recorded load and signals, on a cluster fitted to the
training days. What is the same for both falls out of the differences; their interval is Student's t over pieces. Pieces
of one day are alike, so that it is a little too narrow.
"""

import enum
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from pydantic import JsonValue

from sparkiot_policies.policy import MetaController, Policy
from sparkiot_sim.recorded.course import Stretch
from sparkiot_sim.recorded.fit import Fitted
from sparkiot_sim.recorded.play import Outcome, play
from sparkiot_sim.tournament.statistics import Estimate, estimate

PIECE_S = 6 * 3600.0
"""Length of a piece: some restarts long, and several a day."""


class Verdict(enum.StrEnum):
    """Of the paired difference of the mean reward."""

    HELPED = "it helped"
    NO_DIFFERENCE = "it did not help: the difference is within what chance makes"
    HARMED = "it did not help: it made things worse"


@dataclass(frozen=True, slots=True)
class Piece:
    """A held-out piece of one job's load, and the cluster to play it on."""

    stretch: Stretch
    fitted: Fitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """before, after: of each piece. reward: of an interval, after minus before. attainment: percentage points. cost:
    percent of before."""

    before: tuple[Outcome, ...]
    after: tuple[Outcome, ...]
    reward: Estimate
    attainment: Estimate
    cost: Estimate

    @property
    def verdict(self) -> Verdict:
        low, high = self.reward.interval or (-math.inf, math.inf)
        if low > 0:
            return Verdict.HELPED
        return Verdict.HARMED if high < 0 else Verdict.NO_DIFFERENCE

    def to_dict(self) -> dict[str, JsonValue]:
        """For a manifest's scores."""
        return {
            "arena": "recorded",
            "pieces": len(self.before),
            "hours": round(sum(outcome.hours for outcome in self.after), 2),
            "before": _means(self.before),
            "after": _means(self.after),
            "difference": {name: _interval(getattr(self, name)) for name in ("reward", "attainment", "cost")},
            "verdict": self.verdict.value,
        }

    def text(self) -> str:
        """For people."""
        hours = sum(outcome.hours for outcome in self.after)
        rows = [
            f"{name}: attainment {100 * fmean(o.attainment for o in found):.2f} %,"
            f" ${sum(o.cost_dollars for o in found):.2f},"
            f" P95 {fmean(o.latency_p95_ms for o in found):.0f} ms,"
            f" {sum(o.scalings for o in found)} scalings, reward {fmean(o.reward for o in found):.3f}"
            for name, found in (("before", self.before), ("after ", self.after))
        ]
        difference = (
            f"difference (95 %): reward {_pm(self.reward, 3)}, attainment {_pm(self.attainment, 2)} points,"
            f" cost {_pm(self.cost, 2)} %"
        )
        held_out = f"held out: {len(self.before)} pieces, {hours:.1f} hours"
        return "\n".join((held_out, *rows, difference, self.verdict.value))


def pieces(stretches: Sequence[Stretch], fitted: Fitted) -> list[Piece]:
    """Stretches of one job, cut into pieces; what is left at a stretch's end is one if it is half as long at least."""
    found = []
    for stretch in stretches:
        begin, end = stretch.start, stretch.start + stretch.duration_s
        while end - begin >= PIECE_S / 2:
            piece = stretch.between(begin, min(begin + PIECE_S, end + 1.0))
            if piece is not None:
                found.append(Piece(piece, fitted))
            begin += PIECE_S
    return found


def judge(
    held_out: Sequence[Piece],
    before: Policy,
    after: Policy,
    *,
    fallback: Policy,
    meta: MetaController | None,
    report: Callable[[str], None],
) -> Judgement:
    """Play both on all pieces. Raises ValueError without a piece."""
    if not held_out:
        raise ValueError("no held-out stretch is long enough to compare on")
    outcomes: list[tuple[Outcome, Outcome]] = []
    for seed, piece in enumerate(held_out, start=1):
        old, new = (
            play([piece.stretch], piece.fitted, policy, fallback=fallback, meta=meta, seed=seed)
            for policy in (before, after)
        )
        outcomes.append((old, new))
        report(f"held-out piece {seed} of {len(held_out)}: reward {old.reward:.3f} before, {new.reward:.3f} after")

    def paired(value: Callable[[Outcome, Outcome], float]) -> Estimate:
        return estimate([value(old, new) for old, new in outcomes], lowest=-math.inf)

    return Judgement(
        before=tuple(old for old, _ in outcomes),
        after=tuple(new for _, new in outcomes),
        reward=paired(lambda old, new: new.reward - old.reward),
        attainment=paired(lambda old, new: 100 * (new.attainment - old.attainment)),
        cost=paired(lambda old, new: 100 * (new.cost_dollars / old.cost_dollars - 1)),
    )


def _means(found: Sequence[Outcome]) -> dict[str, JsonValue]:
    names = ("attainment", "cost_dollars", "latency_p95_ms", "reward")
    means: dict[str, JsonValue] = {name: round(fmean(getattr(o, name) for o in found), 4) for name in names}
    return means | {"scalings": sum(o.scalings for o in found)}


def _interval(value: Estimate) -> JsonValue:
    low, high = value.interval or (None, None)
    return {
        "mean": round(value.mean, 5),
        "low": None if low is None else round(low, 5),
        "high": None if high is None else round(high, 5),
    }


def _pm(value: Estimate, digits: int) -> str:
    spread = "?" if value.half_width is None else f"{value.half_width:.{digits}f}"
    return f"{value.mean:+.{digits}f} ± {spread}"
