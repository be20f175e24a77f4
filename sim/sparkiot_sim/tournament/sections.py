"""What a tournament says beyond its rows: tables for people, in a terminal and in Markdown, and rows for machines."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparkiot_sim.shifting import Shift

from . import ablations, shifts, sweep
from .play import Result
from .statistics import Estimate, Overall, Row, overall

PUBLISHED_GAIN = 5.20
"""Percent of global reward that the thesis claims for its meta-controller over fixed equal weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """key: of ``rows`` in JSON. note: what a reader must know. headings: of ``shown``, key to heading."""

    key: str
    title: str
    note: str
    headings: Mapping[str, str]
    shown: Sequence[Mapping[str, str]]
    rows: Sequence[Mapping[str, Any]]


def over_all(table: Sequence[Row]) -> Section:
    """The mean over all loads and presets, and the worst of them."""
    lines = overall(table)
    return Section(
        key="overall",
        title="Over all workloads",
        note="Each workload and preset counts alike; the worst is where the fewest batches met the objective.",
        headings={
            "policy": "policy",
            "attainment": "SLO attainment %",
            "worst": "worst",
            "where": "where",
            "cost": "cost $",
            "ratio": "cost / oracle",
            "dearest": "worst",
            "gap": "points lost to oracle",
            "lost": "worst",
        },
        shown=[_shown_overall(line) for line in lines],
        rows=[line.to_dict() for line in lines],
    )


def of_sweep(results: Sequence[Result]) -> list[Section]:
    """Learned policies against rivals at equal attainment: over everything, and for each load and preset."""
    lines = sweep.comparisons(results)
    columns = {
        "worst": "cost ratio, worst",
        "at": "at attainment %",
        "mean": "mean",
        "beyond": "beyond rival %",
        "reach": "rival's alone",
        "dominated": "dominated %",
    }
    note = (
        "Cost of the policy's front over the rival's at equal SLO attainment, straight between neighbouring points;"
        " below its lowest point a rival is taken at its cheapest, above its highest there is no ratio. Worst: highest"
        f" ratio with 95 % confidence, by jackknife over seeds; mean: geometric. {sweep.BEST}: the cheapest of all of"
        " them at each attainment."
        " Beyond rival: share of the policy's front that the rival does not reach. Rival's alone: where the rival"
        " attains more than the policy ever does. Dominated: share of the rival's front that the policy beats."
    )
    return [
        Section(
            key="fronts_overall",
            title="Fronts, over all workloads",
            note=note,
            headings={"policy": "policy", "rival": "rival", **columns, "where": "worst in"},
            shown=[_shown_front_overall(line) for line in sweep.overall(lines)],
            rows=[_front_overall(line) for line in sweep.overall(lines)],
        ),
        Section(
            key="fronts",
            title="Fronts, by workload and preset",
            note="Columns as above.",
            headings={"policy": "policy", "rival": "rival", "where": "workload", **columns},
            shown=[_shown_front(line) for line in lines],
            rows=[line.to_dict() for line in lines],
        ),
    ]


def of_ablations(results: Sequence[Result]) -> list[Section]:
    """What each part is worth, and what the meta-controller gains on the thesis' own measure."""
    lines = ablations.ablations(results)
    gain = ablations.meta_gain(results)
    return [
        Section(
            key="ablations",
            title="Ablations",
            note="Variant minus the one that it is held against, paired by workload, preset and seed; means with 95 %"
            " confidence over seeds. Most lost and dearest: the workload and preset with the lowest difference of"
            " attainment and the highest of cost.",
            headings={
                "variant": "variant",
                "against": "against",
                "attainment": "attainment, points",
                "cost": "cost %",
                "latency": "P95 ms",
                "lost": "most lost, points",
                "dearest": "dearest, cost %",
            },
            shown=[
                {
                    "variant": line.variant,
                    "against": line.against,
                    "attainment": signed(line.differences.attainment),
                    "cost": signed(line.differences.cost),
                    "latency": signed(line.differences.latency, digits=0),
                    "lost": f"{line.most_lost[0]:+.2f}: {place(line.most_lost[1])}",
                    "dearest": f"{line.dearest[0]:+.2f}: {place(line.dearest[1])}",
                }
                for line in lines
            ],
            rows=[line.to_dict() for line in lines],
        ),
        Section(
            key="meta_controller",
            title="Meta-controller against fixed equal weights",
            note="Global reward as the thesis defines it: 1000 / (mean latency in ms + 1) - 0.1 · mean cost in $/h.",
            headings={"gain": "gain %", "published": "published %"},
            shown=[{"gain": signed(gain), "published": f"{PUBLISHED_GAIN:.2f}"}],
            rows=[{"gain_percent": gain.mean, "gain_percent_ci95": gain.interval, "published_percent": PUBLISHED_GAIN}],
        ),
    ]


def of_shifts(runs: Sequence[shifts.ShiftRun]) -> list[Section]:
    """The meta-controller beside fixed weights where objectives shift between day and night."""
    lines = shifts.compare(runs)
    asked = Shift()
    return [
        Section(
            key="shifting",
            title="Objectives that shift within a run",
            note=f"By day ({asked.day[0]:g} to {asked.day[1]:g} h UTC) {100 * asked.day_quantile:g} % of the batches"
            f" shall be on time, by night {100 * asked.night_quantile:g} %. Kept: of what was asked, the share that was"
            " kept. Differences: fixed weights minus meta-controller, paired, with 95 % confidence over seeds. Beaten:"
            " workloads and presets in which the meta-controller costs less and keeps as much.",
            headings={
                "policy": "reward weights",
                "kept": "kept %",
                "day": "by day %",
                "night": "by night %",
                "cost": "cost $",
                "cost_percent": "cost, difference %",
                "kept_points": "kept, difference points",
                "beaten": "beaten",
            },
            shown=[
                {
                    "policy": line.policy,
                    "kept": percent(Estimate(line.kept, None)),
                    "day": percent(Estimate(line.attainment_day, None)),
                    "night": percent(Estimate(line.attainment_night, None)),
                    "cost": f"{line.cost_dollars:.2f}",
                    "cost_percent": signed(line.cost_percent) if line.cost_percent else "–",
                    "kept_points": signed(line.kept_points) if line.kept_points else "–",
                    "beaten": f"{line.beaten} of {line.cells}" if line.cost_percent else "–",
                }
                for line in lines
            ],
            rows=[line.to_dict() for line in lines],
        )
    ]


def place(where: tuple[str, float, str]) -> str:
    """Workload, messages/s and preset, in short."""
    return "{}, {:g}/s, {}".format(*where)


def percent(value: Estimate) -> str:
    """``99.87 ± 0.05``; – where nothing was measured."""
    return amount(Estimate(100 * value.mean, None if value.half_width is None else 100 * value.half_width))


def amount(value: Estimate, *, digits: int = 2) -> str:
    """Mean and half of the interval; – where nothing was measured."""
    return _text(value, f".{digits}f", digits)


def mean(value: Estimate) -> str:
    """The mean alone, as a whole number."""
    return amount(Estimate(value.mean, None), digits=0)


def signed(value: Estimate, *, digits: int = 2) -> str:
    """The same with its sign."""
    return _text(value, f"+.{digits}f", digits)


def _text(value: Estimate, form: str, digits: int) -> str:
    if math.isnan(value.mean):
        return "–"
    spread = "" if value.half_width is None else f" ± {value.half_width:.{digits}f}"
    return f"{value.mean:{form}}{spread}"


def _shown_overall(line: Overall) -> dict[str, str]:
    return {
        "policy": line.policy,
        "attainment": percent(Estimate(line.slo_attainment, None)),
        "worst": percent(Estimate(line.worst_slo_attainment, None)),
        "where": place(line.worst),
        "cost": f"{line.cost_dollars:.2f}",
        "ratio": amount(Estimate(line.oracle_ratio, None), digits=3),
        "dearest": amount(Estimate(line.worst_oracle_ratio, None), digits=3),
        "gap": amount(Estimate(line.oracle_gap_points, None)),
        "lost": amount(Estimate(line.worst_oracle_gap_points, None)),
    }


def _shown_front(line: sweep.Line) -> dict[str, str]:
    found = line.comparison
    return {
        "policy": line.policy,
        "rival": line.rival,
        "where": place(line.cell),
        "worst": amount(line.worst, digits=3) if line.worst else "–",
        "at": "–" if found.worst_at is None else f"{100 * found.worst_at:.2f}",
        "mean": "–" if found.mean_ratio is None else f"{found.mean_ratio:.3f}",
        "beyond": f"{100 * found.beyond:.0f}",
        "reach": "–" if found.out_of_reach is None else f"{100 * found.out_of_reach:.2f}",
        "dominated": f"{100 * found.dominated:.0f}",
    }


def _shown_front_overall(line: sweep.Overall) -> dict[str, str]:
    worst = line.worst
    return {
        "policy": line.policy,
        "rival": line.rival,
        "worst": amount(worst.worst, digits=3) if worst and worst.worst else "–",
        "at": f"{100 * worst.comparison.worst_at:.2f}" if worst and worst.comparison.worst_at is not None else "–",
        "mean": "–" if line.mean_ratio is None else f"{line.mean_ratio:.3f}",
        "beyond": f"{100 * line.beyond:.0f}",
        "reach": f"{line.out_of_reach} of {line.lines}",
        "dominated": f"{100 * line.dominated:.0f}",
        "where": place(worst.cell) if worst else "–",
    }


def _front_overall(line: sweep.Overall) -> dict[str, Any]:
    return {
        "policy": line.policy,
        "rival": line.rival,
        "worst": line.worst.to_dict() if line.worst else None,
        "mean_ratio": line.mean_ratio,
        "beyond": line.beyond,
        "dominated": line.dominated,
        "out_of_reach": line.out_of_reach,
        "lines": line.lines,
    }
