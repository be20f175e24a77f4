"""What a calibration found, for people: constants beside those they replace, tiers, and the replay of the run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel

from sparkiot_sim.calibration import Calibration, Constant

from .file import PRESET
from .fits import Fits
from .records import BlockRecord, Measurements, Recording
from .replay import Comparison, median_error

AIM = 0.2
"""Median error of the replay that a calibration should stay under."""
SMALL_MB = 0.1
"""Blocks up to this size show a tier's latency; the largest ones its bandwidth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A recording and what the model made of it."""

    recording: Recording
    comparisons: tuple[Comparison, ...]


def markdown(
    measurements: Measurements,
    fits: Fits,
    *,
    base: Calibration,
    base_preset: str,
    measured: Calibration,
    replayed: Sequence[Replayed],
    picture: str | None,
) -> str:
    """The whole report. picture: file name of the plot beside it; None where nothing was replayed."""
    spark = f"Spark {measurements.spark.version}, " if measurements.spark else ""
    parts = [
        "# Calibration\n",
        f"Measured on {measurements.date.isoformat()}: {spark}{measurements.cores} cores{_beside(measurements)}.\n",
    ]
    if replayed:
        parts += ["## The run, replayed in the simulator\n", _replay(replayed)]
        if picture:
            parts.append(f"![Predicted against measured batch duration]({picture})\n")
    parts += ["## Constants\n", _constants(base, base_preset, measured)]
    if fits.batch:
        row = fits.batch.row_s
        spread = "" if row.spread is None else f" ± {1000 * row.spread:.2g}"
        parts.append(
            f"A row of the example job takes {1000 * row.value:.3g}{spread} ms of one executor: a property of the job, "
            "which belongs into its profile and not into the calibration.\n"
        )
    if measurements.spark and measurements.spark.spills:
        parts.append(_spills(measurements))
    if measurements.tiers:
        parts += ["## Shuffle tiers\n", _tiers(measurements)]
    if fits.open:
        parts += ["## Not measured\n", "".join(f"- {line}\n" for line in fits.open)]
    return "\n".join(parts)


def summary(replayed: Sequence[Replayed]) -> list[dict[str, str | int]]:
    """One row a recording, and one over all of them: batches, median and largest error."""
    rows = [_line(r.recording.name + (" (fitted)" if r.recording.fitted else ""), r.comparisons) for r in replayed]
    return [*rows, _line("all", [c for r in replayed for c in r.comparisons])] if len(rows) > 1 else rows


def _line(name: str, comparisons: Sequence[Comparison]) -> dict[str, str | int]:
    errors = [abs(c.error) for c in comparisons]
    signed = float(np.median([c.error for c in comparisons])) if comparisons else float("nan")
    return {
        "recording": name,
        "batches": len(comparisons),
        "measured_s": f"{np.median([c.measured.duration_s for c in comparisons]):.2f}" if comparisons else "–",
        "predicted_s": f"{np.median([c.predicted_s for c in comparisons]):.2f}" if comparisons else "–",
        "median_error": f"{100 * median_error(comparisons):.1f} %" if comparisons else "–",
        "bias": f"{100 * signed:+.1f} %" if comparisons else "–",
        "p90_error": f"{100 * float(np.quantile(errors, 0.9)):.1f} %" if comparisons else "–",
    }


def _replay(replayed: Sequence[Replayed]) -> str:
    rows = summary(replayed)
    headings = (
        "recording",
        "batches",
        "median measured, s",
        "median predicted, s",
        "median error",
        "bias",
        "P90 error",
    )
    whole = median_error([c for r in replayed for c in r.comparisons])
    verdict = "under" if whole < AIM else "above"
    batches = [
        (
            r.recording.name,
            str(c.measured.rows),
            str(c.measured.executors),
            f"{c.measured.duration_s:.2f}",
            f"{c.predicted_s:.2f}",
            f"{100 * c.error:+.0f} %",
        )
        for r in replayed
        for c in r.comparisons
    ]
    return (
        "The same rows at the same times, the same executors; the model takes its own batches. Median error "
        f"{100 * whole:.1f} %, {verdict} the aim of {100 * AIM:.0f} %.\n\n"
        + table(headings, [tuple(map(str, row.values())) for row in rows])
        + "\n<details><summary>Every batch</summary>\n\n"
        + table(("recording", "rows", "executors", "measured, s", "predicted, s", "error"), batches)
        + "\n</details>\n"
    )


def _constants(base: Calibration, base_preset: str, measured: Calibration) -> str:
    before = dict(_flat(base)) | {
        f"preset.{key}": constant for key, constant in _fields(base.preset(base_preset)).items()
    }
    after = dict(_flat(measured)) | {
        f"preset.{key}": constant for key, constant in _fields(measured.preset(PRESET)).items()
    }
    rows = [
        (
            f"`{name}`",
            f"{constant.value:.4g}",
            "–" if constant.spread is None else f"{constant.spread:.2g}",
            constant.unit,
            f"{before[name].value:.4g}" if name in before else "–",
            constant.source,
        )
        for name, constant in after.items()
    ]
    return f"Beside those of the preset `{base_preset}`, which they replace. Spread: one standard error.\n\n" + table(
        ("constant", "value", "spread", "unit", "before", "source"), rows
    )


def _spills(measurements: Measurements) -> str:
    spark = measurements.spark
    assert spark is not None  # noqa: S101 - the caller looked
    rows = [
        (f"{r.working_set_mib:.0f}", f"{r.pressure:.2f}", f"{r.duration_s:.2f}")
        for r in sorted(spark.spills, key=lambda r: r.working_set_mib)
    ]
    return f"Sorts of growing size on one executor, {spark.spill_bytes / 1e6:.0f} MB spilled:\n\n" + table(
        ("working set, MiB", "pressure", "batch, s"), rows
    )


def _tiers(measurements: Measurements) -> str:
    rows = []
    for record in measurements.tiers:
        for kind in dict.fromkeys(b.compression for b in record.blocks):
            blocks = [b for b in record.blocks if b.compression is kind]
            small = [b for b in blocks if b.raw_mb <= SMALL_MB] or blocks
            most = max(b.raw_mb for b in blocks)
            large = [b for b in blocks if b.raw_mb == most]
            rows.append(
                (
                    record.tier.value,
                    kind.value,
                    f"{1000 * _median(small, 'write_s'):.2f}",
                    f"{1000 * _median(small, 'read_s'):.2f}",
                    f"{most / (_median(large, 'compress_s') + _median(large, 'write_s')):.0f}",
                    f"{most / (_median(large, 'read_s') + _median(large, 'decompress_s')):.0f}",
                    f"{_median(large, 'stored_mb') / most:.2f}",
                )
            )
    headings = (
        "tier",
        "compression",
        "write a small block, ms",
        "read, ms",
        "write, MB/s",
        "read, MB/s",
        "stored / raw",
    )
    servers = "".join(f"- {record.tier.value}: {record.server}\n" for record in measurements.tiers)
    return f"{servers}\n" + table(headings, rows) + "\nMB/s count raw data, compression included.\n"


def _median(blocks: Sequence[BlockRecord], name: str) -> float:
    return float(np.median([getattr(block, name) for block in blocks]))


def _beside(measurements: Measurements) -> str:
    if not measurements.beside_others:
        return ""
    return f", beside other work (load average of {measurements.load[0]:.1f} a core before it began)"


def _flat(calibration: Calibration) -> Iterator[tuple[str, Constant]]:
    """All constants but those of presets, by their place in the file."""
    for group in ("batch", "memory", "temperature"):
        for key, constant in _fields(getattr(calibration, group)).items():
            yield f"{group}.{key}", constant
    tables = [(f"compression.{kind}", constants) for kind, constants in calibration.compression.items()]
    tiers = [(f"tiers.{tier}", constants) for tier, constants in calibration.tiers.items()]
    for group, members in (*tables, *tiers):
        for key, constant in _fields(members).items():
            yield f"{group}.{key}", constant


def _fields(constants: BaseModel) -> dict[str, Constant]:
    found = {key: getattr(constants, key) for key in type(constants).model_fields}
    return {key: constant for key, constant in found.items() if constant is not None}


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
