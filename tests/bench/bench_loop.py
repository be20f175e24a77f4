"""Cycles a second of the whole virtual-time loop on one core: observe, evaluate, decide in the envelope, apply.

python tests/bench/bench_loop.py

The bar is 2,000 a second with the learned policy, at the default interval of 10 s and a trigger of 0.5 s: 20 batches
a cycle.
"""

import time

from sparkiot_sim.generators import Kind
from sparkiot_sim.tournament.entry import entrant
from sparkiot_sim.tournament.held_out import held_out
from sparkiot_sim.tournament.play import play_match

BAR = 2000
HOURS = 4.0
INTERVAL_S = 10.0
ROUNDS = 3


def main() -> None:
    program = held_out(["default", "RateAhead"], seeds=(1,), hours=HOURS)
    for match in program.matches():
        if match.round.load.source is not Kind.HEALTHCARE:
            continue
        player, best = entrant(match.entry.policy), 0.0
        for _ in range(ROUNDS):
            # Processor time: what else runs on the machine is not what is asked.
            begun = time.process_time()
            result = play_match(program, match, player)
            cycles = result.duration_s / INTERVAL_S
            best = max(best, cycles / (time.process_time() - begun))
        batches = result.summary.batches / cycles
        print(f"{match.entry.name}: {best:.0f} cycles/s, {batches:.0f} batches each ({best / BAR:.2f} of the bar)")


if __name__ == "__main__":
    main()
