"""What the comparison comes to: one line a job, and the files that hold it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkiot_operator.times import timestamp
from sparkiot_policies.decision import Decision
from sparkiot_sim.tournament.play import Result
from sparkiot_sim.tournament.report import markdown_table, write_csv

from .twin import Twin

HEADINGS = {
    "job": "job",
    "decisions": "decisions",
    "left_out": "left out",
    "differing": "differing",
    "observed": "seen otherwise",
    "cluster_attainment": "attainment %",
    "offline_attainment": "offline %",
    "cluster_cost": "cost $",
    "offline_cost": "offline $",
    "verdict": "verdict",
}
NOTE = (
    "Decisions: in the operator's audit log, each compared with the one that the same code takes offline at the same"
    " job time under the same load. Left out: cycles that a run on time has besides. Offline: the same match in"
    " `sparkiot tournament`, whose clock is exact; what it comes to differs as times and left-out cycles do."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One job. cluster: what the operator's decisions come to. offline: the tournament's match."""

    job: str
    twin: Twin
    cluster: Result
    offline: Result

    @property
    def equal(self) -> bool:
        """Whether every decision of the operator is the offline one."""
        return not self.twin.differing


def shown(line: Line) -> dict[str, str]:
    """One line under HEADINGS."""
    twin, cluster, offline = line.twin, line.cluster.summary, line.offline.summary
    return {
        "job": line.job,
        "decisions": str(twin.decisions),
        "left_out": str(twin.left_out),
        "differing": str(len(twin.differing)),
        "observed": str(twin.observed_otherwise),
        "cluster_attainment": f"{100 * cluster.slo_attainment:.2f}",
        "offline_attainment": f"{100 * offline.slo_attainment:.2f}",
        "cluster_cost": f"{cluster.cost_dollars:.2f}",
        "offline_cost": f"{offline.cost_dollars:.2f}",
        "verdict": "equal" if line.equal else f"differs from {timestamp(twin.differing[0].recorded.time)} on",
    }


def document(line: Line) -> dict[str, Any]:
    """One line for machines."""
    twin = line.twin
    return {
        "job": line.job,
        **{name: getattr(line.cluster, name) for name in ("policy", "workload", "mean_rate", "preset", "seed")},
        "decisions": twin.decisions,
        "left_out": twin.left_out,
        "differing": len(twin.differing),
        "observed_otherwise": twin.observed_otherwise,
        **{f"cluster_{name}": getattr(line.cluster.summary, name) for name in ("slo_attainment", "cost_dollars")},
        **{f"offline_{name}": getattr(line.offline.summary, name) for name in ("slo_attainment", "cost_dollars")},
    }


def differences(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Every decision that differs, for machines."""
    return [
        {
            "job": line.job,
            "time": timestamp(difference.recorded.time),
            **_told("cluster", difference.recorded),
            **_told("offline", difference.offline),
        }
        for line in lines
        for difference in line.twin.differing
    ]


def verdict(lines: Sequence[Line]) -> str:
    """In one sentence."""
    decisions = sum(line.twin.decisions for line in lines)
    differing = sum(len(line.twin.differing) for line in lines)
    left_out = sum(line.twin.left_out for line in lines)
    jobs = sum(line.equal for line in lines)
    return (
        f"{jobs} of {len(lines)} jobs decided as offline: {differing} of {decisions} decisions differ;"
        f" {left_out} cycles were left out."
    )


def write(folder: Path, lines: Sequence[Line]) -> None:
    """comparison.csv, comparison.md and, where there are any, differences.csv. Raises OSError."""
    write_csv(folder / "comparison.csv", [document(line) for line in lines])
    (folder / "differences.csv").unlink(missing_ok=True)
    if found := differences(lines):
        write_csv(folder / "differences.csv", found)
    table = markdown_table(tuple(HEADINGS.values()), [tuple(shown(line).values()) for line in lines])
    text = "\n".join(("# Cluster and offline", "", verdict(lines), "", *table, "", NOTE))
    (folder / "comparison.md").write_text(f"{text}\n", encoding="utf-8")


def _told(where: str, decision: Decision) -> dict[str, Any]:
    allocation = decision.allocation
    return {
        f"{where}_executors": allocation.executors,
        f"{where}_memory_mib": allocation.memory_mib,
        f"{where}_tier": allocation.tier.value,
        f"{where}_compression": allocation.compression.value,
        f"{where}_reason": decision.reason.value,
        f"{where}_clamps": " ".join(clamp.code.value for clamp in decision.clamps),
        f"{where}_policy": decision.policy.digest,
    }
