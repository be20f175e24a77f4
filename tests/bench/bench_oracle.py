"""How tight the oracle is: its bound beside its own schedule played in the simulator, and what a day costs to solve.

python tests/bench/bench_oracle.py [--hours 24] [--seed 1001] [--mean-rate 300]
"""

import argparse
import time

from sparkiot_sim.generators import Kind
from sparkiot_sim.oracle import oracle
from sparkiot_sim.oracle.achieved import achieved
from sparkiot_sim.setting import standard_setting

PRESETS = ("edge-small", "cloud-coldstart", "spot")
HOLD_S = 10.0
"""Executors stay one decision longer than the schedule has them: a batch that they began is then over."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--seed", type=int, default=1001)
    parser.add_argument("--mean-rate", type=float, default=300.0)
    options = parser.parse_args()
    print(
        f"{'workload':12} {'preset':16} {'bound $':>8} {'late':>6} {'played $':>8} {'ratio':>6} {'on time':>8} "
        f"{'CPU s':>6}"
    )
    for preset in PRESETS:
        for kind in Kind:
            setting = standard_setting(
                kind,
                seed=options.seed,
                preset=preset,
                mean_rate=options.mean_rate,
                duration_s=3600 * options.hours,
            )
            begin = time.process_time()
            bound = oracle(setting)
            seconds = time.process_time() - begin
            run = achieved(setting, bound, hold_s=HOLD_S)
            print(
                f"{kind.value:12} {preset:16} {bound.cost_dollars:8.3f} {bound.late_batches:6.1f} "
                f"{run.cost_dollars:8.3f} {run.cost_dollars / bound.cost_dollars:6.3f} {run.slo_attainment:8.4%} "
                f"{seconds:6.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
