"""How far the policy is from the rule: what each would have, over the cycles that are remembered.

The rule decides each cycle again from the world that the policy made (``replay``): its figure is what it would have
done next, not what would have followed from it.
"""

from dataclasses import dataclass
from itertools import pairwise

from .samples import Timeline
from .scales import GAP, usual_step


@dataclass(frozen=True, slots=True)
class Distance:
    """executor-hours that policy and rule decided over ``hours``; the share of ``cycles`` in which they differ.

    policy, rule: executor-hours. last: executors of the policy less those of the rule, in the newest cycle.
    """

    name: str
    cycles: int
    differing: float
    hours: float
    policy: float
    rule: float
    last: int

    @property
    def mean(self) -> float:
        """Executors that the policy decided beyond the rule, on average."""
        return (self.policy - self.rule) / self.hours if self.hours else float(self.last)


def distance(timeline: Timeline) -> Distance | None:
    """None where no cycle could be decided again."""
    known = [(s.time, s.decided, s.rule) for s in timeline.samples if s.decided is not None and s.rule is not None]
    if timeline.rule is None or not known:
        return None
    longest = GAP * usual_step([time for time, _, _ in known])
    hours = policy = by_rule = 0.0
    for (time, decided, rule), (until, _, _) in pairwise(known):
        if until - time <= longest:
            lasted = (until - time) / 3600
            hours, policy, by_rule = hours + lasted, policy + decided * lasted, by_rule + rule * lasted
    differing = sum(1 for _, decided, rule in known if decided != rule) / len(known)
    _, decided, rule = known[-1]
    return Distance(timeline.rule, len(known), differing, hours, policy, by_rule, decided - rule)
