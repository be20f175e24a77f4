"""What a run shows at its end: faults by kind, recoveries, the worst time of each against its bound, losses."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chaos.faults.base import Fault
from chaos.world import World


@dataclass
class Figures:
    """All by kind of fault. injected: those that met something. idle: those that met nothing, such as a storm without a
    request. recoveries: seconds from healing to recovery of the former."""

    injected: dict[str, int] = field(default_factory=dict)
    recoveries: dict[str, list[float]] = field(default_factory=dict)
    idle: dict[str, int] = field(default_factory=dict)
    steps: int = 0

    def inject(self, kind: str, *, met: bool) -> None:
        counts = self.injected if met else self.idle
        counts[kind] = counts.get(kind, 0) + 1

    def recover(self, kind: str, seconds: float) -> None:
        self.recoveries.setdefault(kind, []).append(seconds)

    def table(self, kinds: Mapping[str, type[Fault]]) -> list[str]:
        """Lines for people; kinds without an injection are not in it."""
        lines = [f"{'fault':<17}{'injected':>9}{'recovered':>10}{'worst':>9}{'bound':>8}  what"]
        for name, fault in kinds.items():
            if count := self.injected.get(name):
                times = self.recoveries.get(name, [])
                worst = f"{max(times):.1f} s" if times else "-"
                lines.append(f"{name:<17}{count:>9}{len(times):>10}{worst:>9}{fault.bound_s:>6g} s  {fault.about}")
        total, recovered = sum(self.injected.values()), sum(map(len, self.recoveries.values()))
        worst = max((max(times) for times in self.recoveries.values()), default=0.0)
        lines += [f"{name}: met nothing {count} times" for name, count in self.idle.items()]
        return [*lines, f"{'all':<17}{total:>9}{recovered:>10}{worst:>7.1f} s"]


def summary(world: World, figures: Figures) -> list[str]:
    """What was lost, and what the operators took."""
    peaks, rows = world.sampler.peaks, world.load.written
    missing, wrong = world.ledger.missing(rows), len(world.ledger.wrong(rows))
    return [
        f"losses: {missing} rows missing, {wrong} doubled or unknown, of {rows}; {figures.steps} steps",
        f"operators: at most {peaks.memory_mib:.0f} MiB, {peaks.descriptors} descriptors, {peaks.threads} threads",
        f"operators started again, by exit code: {dict(world.operators.ended)}",
        f"weather: {dict(world.proxy.met)}",
    ]
