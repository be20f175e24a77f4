"""From measurements to what a calibration leaves in its folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sparkiot_sim.calibration import Calibration, calibration_with

from . import picture
from .file import CalibrationWriter, to_toml
from .fits import Fits, fit_all
from .records import Measurements
from .replay import replay
from .report import Replayed, markdown

BASE = "edge-small"
"""The preset whose constants stand in for what was not measured: own machines, executors that start in seconds."""
FILE, REPORT, PICTURE, RECORDS = "calibrated.toml", "report.md", "replay.png", "measured.json"
COMMENT = """Constants of the cluster model, measured by `sparkiot calibrate`; those without a date keep their source.
docs/explanation/simulator.md says how they are measured and what they are for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the measurements came to."""

    fits: Fits
    calibration: Calibration
    replayed: tuple[Replayed, ...]


def evaluate(measurements: Measurements) -> Outcome:
    """Fit, put the values in the base's place, and replay every recording with them."""
    base = calibration_with(BASE)
    fits = fit_all(measurements, expansion=base.memory.expansion.value)
    calibration = CalibrationWriter(measurements, fits).calibration(base, base.preset(BASE))
    replayed: Sequence[Replayed] = ()
    if measurements.spark and fits.batch:
        row_s = fits.batch.row_s.value
        replayed = [
            Replayed(recording=recording, comparisons=tuple(replay(recording, calibration, row_s=row_s)))
            for recording in measurements.spark.recordings
        ]
    return Outcome(fits=fits, calibration=calibration, replayed=tuple(replayed))


def write(folder: Path, measurements: Measurements, outcome: Outcome) -> None:
    """Write calibration, report, picture and records. Raises OSError when one cannot be written."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = any(r.comparisons for r in outcome.replayed)
    if drawn:
        picture.draw(outcome.replayed, folder / PICTURE)
    text = markdown(
        measurements,
        outcome.fits,
        base=calibration_with(BASE),
        base_preset=BASE,
        measured=outcome.calibration,
        replayed=outcome.replayed,
        picture=PICTURE if drawn else None,
    )
    (folder / REPORT).write_text(text, encoding="utf-8")
    (folder / FILE).write_text(to_toml(outcome.calibration, comment=COMMENT), encoding="utf-8")
    (folder / RECORDS).write_text(measurements.model_dump_json(indent=1) + "\n", encoding="utf-8")
