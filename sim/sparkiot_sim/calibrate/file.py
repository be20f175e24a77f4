"""The calibration file that a run of measurements writes: what was measured, and the base's constants for the rest."""

import datetime
import json
import math
from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from sparkiot_policies.allocation import Compression, Tier
from sparkiot_sim.calibration import (
    BatchConstants,
    Calibration,
    CompressionConstants,
    Constant,
    Preset,
    TierConstants,
)

from .fit import Estimate
from .fits import Fits
from .records import Measurements

PRESET = "calibrated"
TRIGGER_FACTOR = 2.0
"""Trigger interval over fixed batch cost, so that half of an interval is left for the rows."""
DIGITS = 4
"""Significant digits of a measured value."""


class CalibrationWriter:
    """Puts fitted values in the place of the base's constants, each with its spread and date."""

    def __init__(self, measurements: Measurements, fits: Fits) -> None:
        self._date: datetime.date = measurements.date
        self._fits = fits
        cores = "1 core" if measurements.cores == 1 else f"{measurements.cores} cores"
        self._machine = f"on {cores}{' beside other work' if measurements.beside_others else ''}"
        self._spark = f"measured with Spark {measurements.spark.version} {self._machine}" if measurements.spark else ""
        self._measurements = measurements

    def calibration(self, base: Calibration, preset: Preset) -> Calibration:
        """The base with what was measured, and ``preset`` likewise as its only preset, under PRESET's name."""
        return Calibration(
            batch=self._batch(base.batch),
            memory=base.memory.model_copy(update=self._memory(base.memory.usable_fraction.value)),
            temperature=base.temperature,
            compression={c: self._compression(c, constants) for c, constants in base.compression.items()},
            tiers={tier: self._tier(tier, constants) for tier, constants in base.tiers.items()},
            presets={PRESET: preset.model_copy(update=self._preset())},
        )

    def _batch(self, base: BatchConstants) -> BatchConstants:
        fit = self._fits.batch
        if fit is None:
            return base
        return BatchConstants(
            fixed_s=self._constant(
                fit.fixed_s, "s", f"{self._spark}: batches of the example job, extrapolated to no rows"
            ),
            scaling_exponent=self._constant(
                fit.exponent, "-", f"{self._spark}: the example job, whose rows wait for a look-up, on its executors"
            ),
        )

    def _memory(self, usable_fraction: float) -> dict[str, Constant]:
        found: dict[str, Constant] = {}
        spark = self._measurements.spark
        if self._fits.spill:
            found["spill_slowdown"] = self._constant(
                self._fits.spill, "-", f"{self._spark}: sorts larger than an executor's memory"
            )
        if spark and spark.spills:
            record = spark.spills[0]
            found["reserved_mib"] = Constant(
                value=round(record.memory_mib - record.usable_mib / usable_fraction),
                unit="MiB",
                source=f"300 MiB that Spark reserves, and what the driver's runtime leaves outside of the heap of an "
                f"executor of {record.memory_mib} MiB",
            )
        if self._fits.killed_pressure:
            found["oom_pressure"] = self._constant(
                self._fits.killed_pressure,
                "-",
                f"{self._spark}: half-way between the largest list that an executor held and the one that killed it, "
                "its rows counted as objects",
            )
        return found

    def _compression(self, kind: Compression, base: CompressionConstants) -> CompressionConstants:
        fit = self._fits.compression.get(kind)
        if fit is None:
            return base
        source = f"measured {self._machine}: Arrow blocks of sensor rows"
        return CompressionConstants(
            ratio=self._constant(fit[0], "-", source),
            throughput_mb_s=self._constant(fit[1], "MB/s", f"{source}, compressed and decompressed on one core"),
        )

    def _tier(self, tier: Tier, base: TierConstants) -> TierConstants:
        fit = self._fits.access.get(tier)
        if fit is None:
            return base
        server = next(t.server for t in self._measurements.tiers if t.tier is tier)
        source = f"measured {self._machine}: {server}"
        return TierConstants(
            access_s=self._constant(fit[0], "s", f"{source}, extrapolated to an empty block"),
            bandwidth_mb_s=self._constant(fit[1], "MB/s", f"{source}, blocks of up to some MB"),
            streams=base.streams,
        )

    def _preset(self) -> dict[str, Constant]:
        fits, found = self._fits, {}
        if fits.batch:
            trigger = max(float(math.ceil(TRIGGER_FACTOR * fits.batch.fixed_s.value)), 0.5)
            found["trigger_interval_s"] = Constant(
                value=trigger, unit="s", source="twice the fixed cost of a batch, in whole seconds"
            )
        if fits.startup:
            what = f"{self._spark}: from an executor's request to its registration"
            found["startup_s"] = self._constant(fits.startup[0], "s", f"{what}, median")
            found["startup_spread"] = self._constant(
                fits.startup[1], "-", f"{what}, standard deviation of the logarithm"
            )
        if fits.decommission:
            found["decommission_s"] = self._constant(
                fits.decommission, "s", f"{self._spark}: until a decommissioned executor's pod was gone"
            )
        if fits.restart:
            what = f"{self._spark}: from the last batch before a restart to the end of the first after it"
            found["restart_s"] = self._constant(fits.restart[0], "s", f"{what}, median")
            found["restart_spread"] = self._constant(
                fits.restart[1], "-", f"{what}, standard deviation of the logarithm"
            )
        return found

    def _constant(self, estimate: Estimate, unit: str, source: str) -> Constant:
        return Constant(
            value=_rounded(estimate.value),
            unit=unit,
            source=source,
            spread=None if estimate.spread is None else _rounded(estimate.spread),
            date=self._date,
        )


def to_toml(calibration: Calibration, *, comment: str) -> str:
    """The text of a calibration file; ``load_calibration`` reads it back as the same calibration."""
    lines = [f"# {line}".rstrip() for line in comment.splitlines()]
    for name in type(calibration).model_fields:
        lines += _tables(name, getattr(calibration, name))
    return "\n".join(lines) + "\n"


def _tables(name: str, value: BaseModel | Mapping[str, BaseModel]) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield f"\n[{name}]"
        for key in type(value).model_fields:
            constant = getattr(value, key)
            if constant is not None:
                yield f"{key} = {_inline(constant)}"
        return
    for key, table in value.items():
        yield from _tables(f"{name}.{key}", table)


def _inline(constant: Constant) -> str:
    value = constant.value
    parts = [f"value = {value:.0f}" if value.is_integer() else f"value = {value!r}"]
    # JSON's strings are TOML's basic strings.
    parts += [f"unit = {json.dumps(constant.unit)}", f"source = {json.dumps(constant.source, ensure_ascii=False)}"]
    if constant.spread is not None:
        parts.append(f"spread = {constant.spread!r}")
    if constant.date is not None:
        parts.append(f"date = {constant.date.isoformat()}")
    return "{" + ", ".join(parts) + "}"


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
