"""The calibration file: complete, checked, and every number with its unit and source."""

from importlib.resources import files
from pathlib import Path

import pytest

from sparkiot_sim.calibration import CalibrationError, default_calibration, load_calibration

SHIPPED = files("sparkiot_sim").joinpath("calibration.toml").read_text(encoding="utf-8")


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_file_has_the_documented_presets_and_cold_starts_of_45_to_60_seconds() -> None:
    calibration = default_calibration()
    assert set(calibration.presets) == {"edge-small", "cloud-coldstart", "spot"}
    assert 45 <= calibration.preset("cloud-coldstart").startup_s.value <= 60
    assert calibration.preset("spot").losses_per_hour.value > 0


def test_a_copy_of_the_shipped_file_reads_the_same(tmp_path: Path) -> None:
    assert load_calibration(written(tmp_path, SHIPPED)) == default_calibration()


def test_an_unknown_preset_names_those_that_exist() -> None:
    with pytest.raises(CalibrationError, match=r"'moon' is unknown; known: edge-small, cloud-coldstart, spot"):
        default_calibration().preset("moon")


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
