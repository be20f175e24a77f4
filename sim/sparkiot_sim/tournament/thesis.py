"""The thesis arena's table beside the figures that were published for it and those that were measured again.

Sources: PUBLISHED is the headline table ("Step 6") of the thesis; REMEASURED was measured on its original code with 5
seeds of 500 steps, where each policy met traces of its own.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkiot_policies import library
from sparkiot_policies.errors import PolicyMismatchError
from sparkiot_policies.learned import LearnedPolicy
from sparkiot_policies.observation import names
from sparkiot_policies.rules import names_rule, rule
from sparkiot_sim.thesis.actors import Actor, LearnedActor, RuleActor
from sparkiot_sim.thesis.draws import STEPS
from sparkiot_sim.thesis.step import AFTER, BEFORE, Step, play_jump
from sparkiot_sim.thesis.step import STEPS as JUMP_STEPS
from sparkiot_sim.thesis.tournament import Row, baselines, limits, tournament

from . import thesis_meta
from .report import markdown_sections, markdown_table, write_csv, write_json
from .sections import Section, amount
from .statistics import Estimate, t_quantile

SCHEMA = 1
"""Of the observations that this arena has."""
LEARNED = "thesis"
"""The shipped policy that was trained in it."""
COLUMNS_NOTE = "published and re-measured: violations, cost, P95 of the thesis' own"


@dataclass(frozen=True, slots=True)
class Figures:
    """One line of an earlier table."""

    violations_percent: float
    cost_dollars: float
    latency_p95_ms: float

    def to_dict(self) -> dict[str, float]:
        return {
            "violations_percent": self.violations_percent,
            "cost_dollars": self.cost_dollars,
            "latency_p95_ms": self.latency_p95_ms,
        }

    def __str__(self) -> str:
        return f"{self.violations_percent:.1f} %, ${self.cost_dollars:,.0f}, {self.latency_p95_ms:,.0f} ms"


STEP_TITLE = f"The edge experiment: {BEFORE:g} to {AFTER:g} messages/s, {JUMP_STEPS} steps with the largest shuffle"
STEP_HEADINGS = {
    "policy": "policy",
    "violations": "violations",
    "latency": "ms when it comes",
    "before": "$/h before",
    "at": "$/h when it comes",
    "after": "$/h at the end",
    "ahead": "sized in time",
}

PUBLISHED: Mapping[str, Figures] = {
    "Fixed": Figures(90.0, 2251, 1534),
    "Dexter": Figures(54.4, 2994, 1159),
    "Seer": Figures(100.0, 1876, 1247),  # its cost is $2,539 elsewhere in the thesis
    LEARNED: Figures(19.2, 3288, 1691),
}
"""By the policy that stands for it here; under LEARNED, the thesis' own learned policy."""
REMEASURED: Mapping[str, Figures] = {
    "Fixed": Figures(88.9, 2251, 1532),
    "Dexter": Figures(59.9, 2994, 1157),
    "Seer": Figures(99.7, 2451, 1247),
    LEARNED: Figures(18.4, 3279, 1671),
    "limit, shuffle known": Figures(0.0, 2559, 1000),
    "limit, shuffle worst": Figures(0.0, 2599, 987),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One policy's row, how it met the jump of the edge experiment, and the earlier figures where there are any."""

    row: Row
    seeds: int
    step: Step
    published: Figures | None
    remeasured: Figures | None

    @property
    def violations(self) -> Estimate:
        """Percent of the steps, with its interval over seeds."""
        row, half_width = self.row, None
        if self.seeds > 1:
            half_width = t_quantile(self.seeds - 1) * row.spread_violations_percent / math.sqrt(self.seeds)
        return Estimate(row.violations_percent, half_width, highest=100.0)

    def to_dict(self) -> dict[str, Any]:
        """The row, its SLO attainment, the jump, and the earlier figures under ``published`` and ``remeasured``."""
        earlier = {"published": self.published, "remeasured": self.remeasured}
        return {
            **self.row.to_dict(),
            "violations_percent_ci95": self.violations.interval,
            "slo_attainment": 1 - self.row.violations_percent / 100,
            "step_200_to_800": self.step.to_dict(),
            **{name: figures.to_dict() for name, figures in earlier.items() if figures},
        }

    def shown_step(self) -> dict[str, str]:
        """The jump, for people; under the keys of STEP_HEADINGS."""
        step = self.step
        return {
            "policy": self.row.policy,
            "violations": str(step.violations),
            "latency": f"{step.latency_ms:,.0f}",
            "before": f"{step.cost_before:.2f}",
            "at": f"{step.cost_at:.2f}",
            "after": f"{step.cost_after:.2f}",
            "ahead": "yes" if step.ahead else "no",
        }

    def shown(self) -> dict[str, str]:
        """For people."""
        row = self.row
        return {
            "policy": row.policy,
            "violations_percent": amount(self.violations),
            "cost_dollars": f"{row.cost_dollars:,.0f}",
            "latency_p95_ms": f"{row.latency_p95_ms:,.0f}",
            "limit_ratio": f"{row.limit_ratio:.3f}",
            "global_reward": f"{row.global_reward:.3f}",
            "published": str(self.published or "–"),
            "remeasured": str(self.remeasured or "–"),
        }


def default_policies() -> tuple[str, ...]:
    """The thesis' baselines, and the policy for this arena where it is shipped."""
    rules = tuple(actor.identity.name for actor in baselines())
    return (*rules, LEARNED) if LEARNED in library.shipped() else rules


def table(policies: Sequence[str], *, seeds: Sequence[int], steps: int = STEPS) -> list[Line]:
    """The given policies and both limits on the same traces, one a seed.

    Raises PolicyError when a policy cannot be found, PolicyMismatchError when it needs what this arena has not.
    """
    actors = [_actor(name) for name in policies]
    found = tournament(actors, seeds=seeds, steps=steps)
    labels = [*policies, *(row.policy for row in found[len(policies) :])]
    jumps = [play_jump(actor) for actor in [*actors, *limits()]]
    return [
        Line(row, len(seeds), jump, PUBLISHED.get(label), REMEASURED.get(label))
        for label, row, jump in zip(labels, found, jumps, strict=True)
    ]


def sections(policies: Sequence[str], *, seeds: Sequence[int]) -> list[Section]:
    """What the meta-controller gains, where the shipped policy that it was trained over plays."""
    return [thesis_meta.section(LEARNED, seeds=seeds)] if LEARNED in policies else []


def documents(lines: Sequence[Line], *, sections: Sequence[Section]) -> list[dict[str, Any]]:
    """The rows for machines; the learned policy's holds the sections, which are about it, under their keys."""
    beyond = {section.key: section.rows for section in sections}
    return [line.to_dict() | (beyond if line.row.policy == LEARNED else {}) for line in lines]


def write(folder: Path, lines: Sequence[Line], *, sections: Sequence[Section], seeds: Sequence[int]) -> None:
    """Write results.csv, results.json and results.md. Raises OSError when one cannot be written."""
    write_csv(folder / "results.csv", [_flat(line) for line in lines])
    rows = documents(lines, sections=sections)
    write_json(folder / "results.json", {"arena": "thesis", "steps": STEPS, "seeds": list(seeds), "rows": rows})
    text = "\n".join((*_markdown(lines, seeds=seeds), "", *markdown_sections(sections))) + "\n"
    (folder / "results.md").write_text(text, encoding="utf-8")


def _actor(name: str) -> Actor:
    if names_rule(name):
        policy = rule(name)
        if missing := [need for need in policy.needs() if need not in names(SCHEMA)]:
            raise PolicyMismatchError(f"{name} needs {', '.join(missing)}, which the thesis arena has not")
        return RuleActor(policy)
    artifact = library.load(name)
    learned = LearnedPolicy(artifact)
    if artifact.manifest.observation_schema != SCHEMA:
        raise PolicyMismatchError(
            f"{name} was trained on {artifact.manifest.schema_name}; the thesis arena has observation v{SCHEMA}"
        )
    return LearnedActor(learned)


def _markdown(lines: Sequence[Line], *, seeds: Sequence[int]) -> list[str]:
    headings = (
        "policy",
        "violations %",
        "cost $",
        "P95 ms",
        "cost / limit",
        "global reward",
        "published",
        "re-measured",
    )
    said = (
        f"{STEPS} steps, means over seeds {', '.join(map(str, seeds))} with 95 % confidence; all policies met the same"
        " traces. The limit is the cheapest action that meets the SLA at every step. Global reward: 1000 / (mean"
        f" latency + 1) - 0.1 · mean cost. Columns {COLUMNS_NOTE}."
    )
    rows = markdown_table(headings, [tuple(line.shown().values()) for line in lines])
    steps = markdown_table(tuple(STEP_HEADINGS.values()), [tuple(line.shown_step().values()) for line in lines])
    return ["# Thesis arena", "", said, "", *rows, "", f"## {STEP_TITLE}", "", *steps]


def _flat(line: Line) -> dict[str, Any]:
    """One line of the CSV: earlier figures as columns of their own, empty where there are none."""
    earlier = {"published": line.published, "remeasured": line.remeasured}
    columns = ("violations_percent", "cost_dollars", "latency_p95_ms")
    return {
        **line.row.to_dict(),
        **{f"step_{name}": value for name, value in line.step.to_dict().items()},
        **{f"{when}_{name}": getattr(figures, name, None) for when, figures in earlier.items() for name in columns},
    }
