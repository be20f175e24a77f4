"""The elements of an observation by what they tell: the load, the forecast, what runs. People think in these, and there
are few enough of them for exact Shapley values."""

from .attribution import Player

CAUSES = (
    Player("load", ("workload_rate", "demand", "required", "required_peak", "trend", "rate_noise")),
    Player(
        "forecast",
        (
            "predicted_rate",
            "burst",
            "predicted_demand",
            "required_ahead",
            "required_next",
            "forecast_known",
            "forecast_noise",
            "forecast_support",
            "burst_probability",
        ),
    ),
    Player("backlog", ("backlog", "backlog_work")),
    Player("latency", ("latency", "lateness", "attainment")),
    Player("executors", ("running", "pending", "in_force", "floor", "startup", "cost_rate")),
    Player("batches", ("capacity", "overhead", "batch_duration", "cpu")),
    Player("memory", ("memory", "working_set", "memory_per_executor")),
    Player("shuffle", ("data_volume", "shuffle_size", "shuffle_per_executor", "temperature", "tier", "compression")),
    Player("objectives", ("weight_cost", "weight_latency", "weight_throughput", "latency_target")),
    Player("clock", ("trigger_interval", "interval", "hour_sin", "hour_cos")),
)
"""Each element belongs to one. ``required`` and what is made of it already hold what a backlog adds to the load."""
