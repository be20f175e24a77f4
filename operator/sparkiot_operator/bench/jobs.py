"""The simulated jobs that a bench runs: all kinds of generated load at real time, each with a seed of its own."""

from typing import Any

from sparkiot_operator.resource import API_VERSION, KIND
from sparkiot_sim.generators import Kind

MEAN_RATES = (200.0, 300.0, 400.0)
"""Messages/s. Few recipes: hundreds of different days of load would measure the memory of loads, not of jobs."""


def bench_job(number: int, *, interval: str, policy: str) -> dict[str, Any]:
    """Manifest of the job of this number, without a namespace. interval: between decisions, such as 10s."""
    kinds = tuple(Kind)
    rate = MEAN_RATES[number // len(kinds) % len(MEAN_RATES)]
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": f"bench-{number:05d}"},
        "spec": {
            "backend": "Simulated",
            "scaling": {"interval": interval},
            "policy": {"name": policy},
            "simulation": {
                "seed": number % len(kinds),
                "workload": {"generator": {"kind": kinds[number % len(kinds)].value, "meanRate": rate}},
                "edge": {},
            },
        },
    }
