"""A job and a cluster for the simulator, fitted to what a log says that batches took.

    duration = fixed + layout + rows / (rate · running^exponent)

``layout`` is what the calibration says that tier and compression cost; fixed and rate are a line through medians of the
rest, so that a batch in trouble moves neither. A log holds no row counts, but bytes and arrival rates: at the median
look a batch holds what arrives in its trigger interval, or in its duration where that is longer.
What a log cannot tell (how executors share work, what a tier costs that was never used) is the base preset's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sparkiot_policies.allocation import Allocation
from sparkiot_sim.calibration import Calibration, Constant, calibration_with
from sparkiot_sim.profile import JobProfile
from sparkiot_sim.work import BYTES_PER_MB, WorkModel

from .course import Column, Stretch, allocation_at

BINS = 20
LEAST_LOOKS = 30
"""Looks that a fit rests on at least: five minutes of a job that decides every ten seconds."""
LEAST_SPREAD = 0.1
"""Relative spread of rows an executor, from the lowest bin to the highest, without which a slope is noise."""
USUAL_FIXED = 0.25
"""Share of a batch that counts as fixed where nothing tells it apart, as in ``batch_cost.py``."""
FREE = 1e12
"""Rows/s of an executor whose work costs nothing, to be left with what a layout costs."""


class FitError(ValueError):
    """A log does not say enough of a job to simulate it; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What the simulator needs to play a job. preset: of the calibration. looks: that the line rests on.
    notes: what was assumed for want of a measurement, in sentences."""

    profile: JobProfile
    calibration: Calibration
    preset: str
    looks: int
    notes: tuple[str, ...] = ()


def fit(stretches: Sequence[Stretch], *, base: str = "edge-small") -> Fitted:
    """Fit all stretches of one job at once. base: a shipped preset, for what a log does not say.

    Raises FitError, and CalibrationError for an unknown preset.
    """
    looks = {name: np.concatenate([s[name] for s in stretches]) for name in stretches[0].columns} if stretches else {}
    usable = _usable(looks) if looks else np.zeros(0, dtype=np.bool_)
    if usable.sum() < LEAST_LOOKS:
        raise FitError(
            f"{int(usable.sum())} looks have rate, batch duration and running executors with none pending;"
            f" {LEAST_LOOKS} are needed to fit a cluster"
        )
    notes: list[str] = []
    chosen = {name: column[usable] for name, column in looks.items()}
    trigger = _median(chosen["trigger_s"])
    if trigger is None:
        raise FitError("no look has a trigger interval; without it nobody knows how many rows a batch holds")
    arrived = chosen["rate"] * np.maximum(chosen["duration_s"], trigger)
    message_bytes = _median(chosen["volume_mb"] * BYTES_PER_MB / arrived)
    if not message_bytes:
        notes.append("the log has no data volumes: what a batch holds is taken from the rate")
    shuffle = _median(chosen["shuffle_mb"] / np.where(chosen["volume_mb"] > 0, chosen["volume_mb"], np.nan))
    if shuffle is None:
        notes.append("the log has no shuffle sizes: tiers cost nothing but their round trips in the model")
    state = _median(chosen["state_mib"] / chosen["rate"])
    temperature = _median(looks["temperature"])
    profile = JobProfile(
        message_bytes=message_bytes or 1.0,
        shuffle_fraction=shuffle or 0.0,
        state_mib=state or 0.0,
        trigger_interval_s=trigger,
        temperature=min(max(temperature if temperature is not None else 0.5, 0.0), 1.0),
        most_rows=None,
    )
    calibration = calibration_with(base)
    rows = chosen["volume_mb"] * BYTES_PER_MB / message_bytes if message_bytes else arrived
    rows = np.where(np.isfinite(rows), rows, arrived)
    rest = chosen["duration_s"] - _layout(chosen, rows, profile, calibration)
    shared = rows / chosen["running"] ** calibration.batch.scaling_exponent.value
    fixed_s, row_s, separate = _line(shared, rest)
    if not separate:
        notes.append("batches are too alike to tell their fixed cost from their rows': a quarter counts as fixed")
    return Fitted(
        replace(profile, rate_per_executor=1 / row_s),
        _calibration(calibration, base, looks, fixed_s=fixed_s, notes=notes),
        base,
        int(usable.sum()),
        tuple(notes),
    )


def _usable(looks: dict[str, Column]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Looks at a batch that all executors shared."""
    with np.errstate(invalid="ignore"):
        settled = (looks["running"] > 0) & ~(looks["pending"] > 0) & (looks["running"] == looks["executors"])
        usable: np.ndarray[tuple[int], np.dtype[np.bool_]] = settled & (looks["rate"] > 0) & (looks["duration_s"] > 0)
    return usable


def _median(values: Column) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else None


def _layout(looks: dict[str, Column], rows: Column, profile: JobProfile, calibration: Calibration) -> Column:
    """Seconds of each batch that its tier and compression cost by the calibration."""
    nothing = _set(calibration.batch.fixed_s, 0.0)
    bare = calibration.model_copy(update={"batch": calibration.batch.model_copy(update={"fixed_s": nothing})})
    free = replace(profile, rate_per_executor=FREE)
    models: dict[Allocation, WorkModel] = {}
    costs = np.empty_like(rows)
    temperatures = np.where(np.isfinite(looks["temperature"]), looks["temperature"], profile.temperature)
    for look, (count, running, temperature) in enumerate(
        zip(rows.tolist(), looks["running"].tolist(), temperatures.tolist(), strict=True)
    ):
        allocation = replace(allocation_at(looks, look), executors=1)
        model = models.get(allocation)
        if model is None:
            model = models[allocation] = WorkModel(profile=free, calibration=bare, allocation=allocation)
        costs[look] = model.batch(rows=count, state_mib=0.0, executors=running, temperature=temperature).duration_s
    return costs


def _line(x: Column, y: Column) -> tuple[float, float, bool]:
    """Fixed seconds, seconds of a row, and whether the two could be told apart."""
    order = np.argsort(x, kind="stable")
    bins = np.array_split(order, min(BINS, max(len(order) // (LEAST_LOOKS // 3), 1)))
    mx = np.array([np.median(x[part]) for part in bins])
    my = np.array([np.median(y[part]) for part in bins])
    middle_x, middle_y = float(np.median(mx)), float(np.median(my))
    if middle_y <= 0:
        raise FitError(
            "batches take less time than the base preset says that their shuffle alone takes; choose another"
        )
    spread = (mx[-1] - mx[0]) / middle_x
    if spread >= LEAST_SPREAD:
        row_s, fixed_s = np.polyfit(mx, my, 1).tolist()
        if row_s > 0 and fixed_s >= 0:
            return fixed_s, row_s, True
        if row_s > 0:
            return 0.0, float((mx @ my) / (mx @ mx)), True
    return USUAL_FIXED * middle_y, (1 - USUAL_FIXED) * middle_y / middle_x, False


def _calibration(
    calibration: Calibration, base: str, looks: dict[str, Column], *, fixed_s: float, notes: list[str]
) -> Calibration:
    preset = calibration.preset(base)
    update = {}
    startups = looks["startup_s"][np.isfinite(looks["startup_s"]) & (looks["startup_s"] > 0)]
    if startups.size:
        # One number a startup, however long it stood as the last one measured.
        logs = np.log(startups[np.append(True, np.diff(startups) != 0)])
        update["startup_s"] = _set(preset.startup_s, float(np.exp(np.median(logs))))
        if len(logs) > 2:
            update["startup_spread"] = _set(preset.startup_spread, float(logs.std()))
    else:
        notes.append(f"no executor's start was measured: {preset.startup_s.value:g} s as in {base}")
    if (restart := _median(looks["restart_s"])) is not None and restart > 0:
        update["restart_s"] = _set(preset.restart_s, restart)
    batch = calibration.batch.model_copy(update={"fixed_s": _set(calibration.batch.fixed_s, fixed_s)})
    return calibration.model_copy(update={"batch": batch, "presets": {base: preset.model_copy(update=update)}})


def _set(constant: Constant, value: float) -> Constant:
    return constant.model_copy(update={"value": value, "source": "fitted to a log of decisions", "spread": None})
