"""The calibration file: complete, checked, and every number with its unit and source."""

from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import get_args

import pytest

from sparkiot_operator.resource.spec import Simulation
from sparkiot_sim.calibration import CalibrationError, calibration_with, load_calibration, preset_names

SHIPPED = files("sparkiot_sim").joinpath("calibration.toml").read_text(encoding="utf-8")


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_file_has_the_documented_presets_and_cold_starts_of_45_to_60_seconds() -> None:
    assert preset_names()[:3] == ("edge-small", "cloud-coldstart", "spot")
    calibration = calibration_with("cloud-coldstart")
    assert 45 <= calibration.preset("cloud-coldstart").startup_s.value <= 60
    assert calibration.preset("spot").losses_per_hour.value > 0


def test_every_preset_leads_to_a_calibration_that_has_it_and_the_resource_offers_it() -> None:
    names = preset_names()
    assert len(set(names)) == len(names)
    assert all(name in calibration_with(name).presets for name in names)
    assert get_args(Simulation.model_fields["preset"].annotation) == names


def test_a_copy_of_the_shipped_file_reads_the_same(tmp_path: Path) -> None:
    assert load_calibration(written(tmp_path, SHIPPED)) == calibration_with("spot")


def test_an_unknown_preset_names_those_that_exist() -> None:
    with pytest.raises(CalibrationError, match=r"'moon' is unknown; known: edge-small, cloud-coldstart, spot"):
        calibration_with("moon")
    with pytest.raises(CalibrationError, match="'calm' is unknown; known: edge-small, cloud-coldstart, spot"):
        calibration_with("spot").preset("calm")


def test_spread_and_date_of_a_measured_constant_are_kept(tmp_path: Path) -> None:
    old = 'fixed_s = {value = 0.10, unit = "s",'
    assert old in SHIPPED
    text = SHIPPED.replace(old, old + " spread = 0.02, date = 2026-11-26,")
    fixed = load_calibration(written(tmp_path, text)).batch.fixed_s
    assert (fixed.spread, fixed.date) == (0.02, date(2026, 11, 26))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "fixed_s = {value = 0.10",
            "fixed_s = {value = -1",
            r"mine.toml: batch.fixed_s: .*-1.0 s must not be negative",
        ),
        ("usable_fraction = {value = 0.6", "usable_fraction = {value = 1.6", "memory.usable_fraction: .*at most 1"),
        ("startup_s = {value = 8", "startup_s = {value = 0", "presets.edge-small.startup_s: .*must be above 0"),
        ("startup_s = {value = 8", "startup_s = {value = nan", "presets.edge-small.startup_s.value: .*finite"),
        ("[tiers.Hot]", "[tiers.Tepid]", "tiers"),
        ("[batch]", "[batch", "not TOML"),
        ("fixed_s = {", "fixd_s = {", "batch.fixd_s"),
        (', source = "thesis"', "", "source: Field required"),
        ("fixed_s = {value", "fixed_s = {spread = -1, value", "batch.fixed_s.spread: .*greater than or equal to 0"),
        ("fixed_s = {value", 'fixed_s = {date = "today", value', "batch.fixed_s.date: .*date"),
    ],
)
def test_a_wrong_value_is_refused_with_file_field_and_reason(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in SHIPPED
    with pytest.raises(CalibrationError, match=message):
        load_calibration(written(tmp_path, SHIPPED.replace(old, new, 1)))


def test_a_missing_tier_is_named(tmp_path: Path) -> None:
    start, end = SHIPPED.index("[tiers.Cold]"), SHIPPED.index("[tiers.Archive]")
    with pytest.raises(CalibrationError, match=r"tiers: .*Cold missing"):
        load_calibration(written(tmp_path, SHIPPED[:start] + SHIPPED[end:]))


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"nowhere.toml: cannot be read: No such file"):
        load_calibration(tmp_path / "nowhere.toml")
