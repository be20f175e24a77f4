"""What an explanation costs beside the decision that it explains.

PYTHONPATH=tests python tests/bench/bench_explanation.py

A decision that changes nothing costs the look at it; one that changes something its attribution by causes too;
`sparkiot explain` asks about every element. Decisions are those of three hours of the example job, in processor time.
"""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from sparkiot_operator.explanation import Baselines, Explainer
from sparkiot_operator.offline import find_policy, load_job, load_workload, play
from sparkiot_operator.telling import EACH
from sparkiot_policies.attribution import attribute
from sparkiot_policies.causes import CAUSES
from sparkiot_policies.decide import decide
from sparkiot_policies.rules import rule

EXAMPLE = Path(__file__).parents[2] / "operator" / "sparkiot_operator" / "examples" / "healthcare.yaml"
ROUNDS = 5


def best(function: Callable[[], object]) -> float:
    """Seconds of processor time of one call, in the best of several."""
    times = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        function()
        times.append(time.process_time() - begun)
    return min(times)


def main() -> None:
    job = load_job(EXAMPLE)
    policy, fallback = find_policy("default"), rule("Rate")
    load = load_workload(job, trace=None, mean_rate=None)
    run = play(job, load, policy="default", duration_s=3 * 3600, origin=0.0)
    explainer, baselines = Explainer(), Baselines()
    decided, quiet, changed, causes, elements = [], [], [], [], []
    for cycle in run.episode.cycles:
        evaluation, decision = cycle.evaluation, cycle.decision
        decided.append(best(lambda e=evaluation: decide(run.job.job, e, policy, fallback=fallback)))
        since = baselines.of(decision)[1]
        begun = time.process_time()
        text = explainer.step(run.job.job, evaluation, decision, policy=policy, fallback=fallback)
        (changed if text else quiet).append(time.process_time() - begun)
        if text and since is not None:
            for found, players in ((causes, CAUSES), (elements, EACH)):
                found.append(
                    best(lambda e=evaluation, s=since, p=players: attribute(policy, run.job.job, e, s.observation, p))
                )
        baselines.remember(decision, policy)
    one = median(decided)
    print(f"one decision: {1e6 * one:.0f} us; {len(changed)} of {len(run.episode.cycles)} changed something")
    for name, found in (
        ("cycle that changes nothing, told", quiet),
        ("cycle that changes something, told", changed),
        ("attribution by causes", causes),
        ("attribution by elements", elements),
    ):
        print(f"{name:36} {1e6 * median(found):7.0f} us  {median(found) / one:6.2f} x a decision")
    print(f"over all cycles: {sum(quiet + changed) / sum(decided):.2f} x the decisions")


if __name__ == "__main__":
    main()
