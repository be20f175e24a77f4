"""How a cause is told: the element that a person knows it by, with its value then and now, and its unit."""

from collections.abc import Mapping

from sparkiot_policies.attribution import Player
from sparkiot_policies.observation import Observation

LABELS: Mapping[str, tuple[str, str]] = {
    "workload_rate": ("load", "messages/s"),
    "required": ("executors that the load needs", ""),
    "required_peak": ("executors that the recent peak needs", ""),
    "predicted_rate": ("forecast", "messages/s"),
    "required_ahead": ("executors that the forecast needs", ""),
    "backlog": ("backlog", "messages"),
    "lateness": ("latency of the newest batch", "of its target"),
    "attainment": ("share of batches in time", ""),
    "latency": ("latency", "ms"),
    "running": ("executors running", ""),
    "in_force": ("executors asked for", ""),
    "pending": ("executors pending", ""),
    "startup": ("start of an executor", "s"),
    "capacity": ("rate of one executor", "messages/s"),
    "overhead": ("fixed share of a batch", ""),
    "batch_duration": ("batch", "s"),
    "cpu": ("CPU", "%"),
    "memory": ("memory in use", "%"),
    "working_set": ("memory that one executor's load uses", "GiB"),
    "memory_per_executor": ("memory of an executor", "GiB"),
    "shuffle_size": ("shuffle of a batch", "MB"),
    "shuffle_per_executor": ("shuffle of one executor", "MB/s"),
    "temperature": ("data temperature", ""),
    "data_volume": ("data of a batch", "MB"),
    "weight_latency": ("weight of latency", ""),
    "weight_cost": ("weight of cost", ""),
    "latency_target": ("latency target", "ms"),
    "trigger_interval": ("trigger interval", "s"),
    "interval": ("decision interval", "s"),
}
"""Label and unit of the elements that people know; in each cause the first that moved tells it."""

NEEDED: Mapping[str, str] = {"load": "required", "forecast": "required_ahead"}
"""What says how many executors a cause's rate needs."""


def because(player: Player, now: Observation, then: Observation) -> str:
    """``load of 812 messages/s needs 4.1 -> 8.7 executors``, ``backlog 0 -> 12,000 messages``, or what else it is."""
    announced = player.name == "forecast" and bool(now.burst)
    rate = now.predicted_rate if player.name == "forecast" else now.workload_rate
    if (needed := _needed(player, now, then)) and rate is not None:
        what = "the edge announces a burst" if announced else player.name
        also = " which" if announced else _behind(player, now)
        return f"{what} of {number(rate)} messages/s{',' if announced else ''}{also} {needed}"
    if announced and rate is not None:
        return f"the edge announces a burst of {number(rate)} messages/s"
    for element in _known_by(player):
        old, new = getattr(then, element), getattr(now, element)
        if new is None or (old is not None and number(old) == number(new)):
            continue
        label, unit = LABELS[element]
        return f"{label} {_moved(old, new)} {unit}".rstrip()
    return player.name


def _needed(player: Player, now: Observation, then: Observation) -> str:
    """Of a policy that sees what a rate needs: the same rate may need more than it did, as batches take longer."""
    element = NEEDED.get(player.name)
    if element is None or element not in player.elements:
        return ""
    return f"needs {_moved(getattr(then, element), getattr(now, element))} executors"


def _behind(player: Player, now: Observation) -> str:
    """A backlog that adds to what the load needs: more than arrives in a target and one and a half triggers, as
    ``outlook.py`` counts it."""
    if player.name != "load" or now.backlog is None or not now.workload_rate:
        return ""
    usual_s = 1.5 * (now.trigger_interval or 0.0) + (now.latency_target or 0.0) / 1000
    return f" with a backlog of {number(now.backlog)}" if now.backlog > usual_s * now.workload_rate else ""


def _moved(old: float | None, new: float) -> str:
    return number(new) if old is None or number(old) == number(new) else f"{number(old)} -> {number(new)}"


def _known_by(player: Player) -> list[str]:
    """Elements to tell a player by: the rate first, which people know, whatever is made of it."""
    first = {"load": "workload_rate", "forecast": "predicted_rate", "backlog": "backlog"}.get(player.name)
    return ([first] if first else []) + [name for name in LABELS if name in player.elements and name != first]


def number(value: float) -> str:
    """For people: ``12,000``, ``812``, ``7.5``, ``0.043``."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2g}" if abs(value) < 10 else f"{value:.3g}"
