"""The jobs of a soak: those of the bench, accelerated, under the three example jobs' objectives and bounds."""

from typing import Any

from sparkiot_operator.bench.jobs import bench_job

NAMESPACE = "sparkiot-soak"
ACCELERATION = 12.0
"""Job time passes so many times faster: two hours are a day of load."""
INTERVAL = "30s"
"""Job time between two decisions, as in the examples: 2.5 s of real time."""
SCENARIOS = {
    "SmartCity": "SmartCityBudget",
    "Healthcare": "HealthcareCritical",
    "Industrial": "IndustrialHighThroughput",
}


def soak_job(number: int) -> dict[str, Any]:
    """Manifest of the job of this number: the generators in turn."""
    job = bench_job(number, interval=INTERVAL, policy="default")
    spec = job["spec"]
    domain = spec["simulation"]["workload"]["generator"]["kind"]
    job["metadata"] = {"name": f"soak-{number:03d}", "namespace": NAMESPACE}
    spec["objectives"] = {"scenario": SCENARIOS[domain], "latency": {"target": "1s", "quantile": 0.95}}
    spec["scaling"]["executors"] = {"min": 1, "max": 20}
    spec["simulation"]["acceleration"] = ACCELERATION
    return job
