"""Cycles a second of the whole virtual-time loop on one core: observe, evaluate, decide in the envelope, apply.

python tests/bench/bench_loop.py

The bar is 2,000 a second with the learned policy, at the default interval of 10 s and a trigger of 0.5 s: 20 batches
a cycle.
"""

import time

from sparkiot_policies import library
from sparkiot_policies.learned import LearnedPolicy
from sparkiot_policies.policy import Policy
from sparkiot_policies.rules import rule
from sparkiot_sim.compare import held_out, play
from sparkiot_sim.generators import Kind

BAR = 2000
HOURS = 4.0
ROUNDS = 3


def main() -> None:
    policies: dict[str, Policy] = {"learned": LearnedPolicy(library.load("default")), "RateAhead": rule("RateAhead")}
    setting = held_out(Kind.HEALTHCARE, 1, hours=HOURS)
    for name, policy in policies.items():
        best = 0.0
        for _ in range(ROUNDS):
            # Processor time: what else runs on the machine is not what is asked.
            begun = time.process_time()
            episode = play(setting, policy)
            best = max(best, len(episode.cycles) / (time.process_time() - begun))
        batches = episode.summary.batches / len(episode.cycles)
        print(f"{name}: {best:.0f} cycles/s, {batches:.0f} batches each ({best / BAR:.2f} of the bar)")


if __name__ == "__main__":
    main()
