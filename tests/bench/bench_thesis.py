"""Steps/s of the vectorised thesis arena against a plain loop over a dict of floats with the same arithmetic.

python tests/bench/bench_thesis.py
"""

import random
import time

import numpy as np

from sparkiot_sim.thesis.arena import ThesisArena
from sparkiot_sim.thesis.draws import STEPS

ENVS = 256
EPISODES = 8
LOOP_STEPS = 50_000


def vectorised() -> float:
    """Steps/s with draws, observations and rewards; actions are drawn beforehand in both."""
    arena = ThesisArena(ENVS, seed=0)
    actions = np.random.default_rng(0).integers((20, 8, 4, 3), size=(STEPS, ENVS, 4))
    begin = time.perf_counter()
    for _ in range(EPISODES):
        arena.reset()
        for chosen in actions:
            arena.step(chosen)
    return ENVS * STEPS * EPISODES / (time.perf_counter() - begin)


def plain_loop() -> float:
    """Steps/s of one arena in a dict of floats."""
    rng = random.Random(0)
    actions = [(rng.randrange(20), rng.randrange(8), rng.randrange(4), rng.randrange(3)) for _ in range(LOOP_STEPS)]
    state = {"rate": 100.0, "next": 100.0, "burst": 0.0, "alpha": 0.3, "beta": 0.3, "gamma": 0.4}
    access, price = (5.0, 20.0, 100.0, 5000.0), (0.10, 0.05, 0.02, 0.005)
    ratio, decompress = (1.0, 0.6, 0.3), (0.0, 10.0, 50.0)
    begin = time.perf_counter()
    for executors, memory, tier, compression in actions:
        n, m = executors + 1, memory + 1
        state["rate"] = state["next"]
        state["volume"] = rng.uniform(10, 500)
        state["shuffle"] = state["volume"] * rng.uniform(0.1, 0.5)
        state["temperature"] = rng.random()
        moved = ratio[compression] * state["shuffle"]
        state["cost"] = 0.10 * n + 0.05 * n * m + moved / 1024 * price[tier]
        busy = 100 * state["rate"] / (n * m)
        state["latency"] = max(
            10.0, busy + access[tier] * moved / 100 + decompress[compression] * state["shuffle"] / 100
        )
        state["throughput"] = n * m * 1000 / state["latency"]
        state["cpu"] = min(100.0, busy)
        state["memory"] = min(100.0, 100 * state["volume"] / (n * m))
        state["reward"] = (
            -state["alpha"] * state["cost"] / 10
            - state["beta"] * state["latency"] / 1000
            + state["gamma"] * state["throughput"] / 1000
            - (0.5 if state["temperature"] > 0.7 and tier > 1 else 0.0)
        )
        if rng.random() < 0.2:
            state["next"], state["burst"] = min(900.0, state["rate"] * rng.uniform(2, 4)), 1.0
        else:
            state["next"], state["burst"] = max(10.0, min(900.0, state["rate"] * rng.uniform(0.8, 1.2))), 0.0
    return LOOP_STEPS / (time.perf_counter() - begin)


if __name__ == "__main__":
    arena, loop = vectorised(), plain_loop()
    print(
        f"thesis arena: {arena / loop:.1f} x the plain loop ({arena:,.0f} against {loop:,.0f} steps/s, {ENVS} arenas)"
    )
