"""The calibration file: complete, checked, and every number with its unit and source."""

from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from sparkiot_operator.resource.spec import Simulation
from sparkiot_sim import calibration
from sparkiot_sim.calibration import Calibration, CalibrationError, calibration_with, load_calibration, preset_names
from sparkiot_sim.generators import Kind
from sparkiot_sim.randomisation import Randomisation
from sparkiot_sim.setting import standard_setting
from sparkiot_sim.tournament.matches import Load

SHIPPED = files("sparkiot_sim").joinpath("calibration.toml").read_text(encoding="utf-8")


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_file_has_the_documented_presets_and_cold_starts_of_45_to_60_seconds() -> None:
    assert preset_names()[:3] == ("edge-small", "cloud-coldstart", "spot")
    shipped = calibration_with("cloud-coldstart")
    assert 45 <= shipped.preset("cloud-coldstart").startup_s.value <= 60
    assert shipped.preset("spot").losses_per_hour.value > 0


def test_every_preset_leads_to_a_calibration_that_has_it_and_the_resource_offers_it() -> None:
    names = preset_names()
    assert len(set(names)) == len(names)
    assert all(name in calibration_with(name).presets for name in names)
    assert get_args(Simulation.model_fields["preset"].annotation) == names


def test_a_copy_of_the_shipped_file_reads_the_same(tmp_path: Path) -> None:
    assert load_calibration(written(tmp_path, SHIPPED)) == calibration_with("spot")


def test_an_unknown_preset_names_those_that_exist() -> None:
    with pytest.raises(
        CalibrationError, match=r"'moon' is unknown; known: edge-small, cloud-coldstart, spot, calibrated"
    ):
        calibration_with("moon")
    with pytest.raises(CalibrationError, match="'calm' is unknown; known: edge-small, cloud-coldstart, spot"):
        calibration_with("spot").preset("calm")


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Calibration:
    """A second shipped calibration: another batch cost, and a preset of its own with a slower trigger."""
    first = calibration_with("edge-small")
    constant = first.batch.fixed_s
    preset = first.preset("edge-small").model_copy(
        update={"trigger_interval_s": constant.model_copy(update={"value": 4.0})}
    )
    batch = first.batch.model_copy(update={"fixed_s": constant.model_copy(update={"value": 1.8})})
    second = first.model_copy(update={"batch": batch, "presets": {"slow": preset}})
    monkeypatch.setattr(calibration, "shipped_calibrations", lambda: (first, second))
    return second


def test_a_preset_of_a_second_file_brings_that_files_constants(slow: Calibration) -> None:
    assert preset_names() == ("edge-small", "cloud-coldstart", "spot", "slow")
    assert calibration_with("slow") is slow
    assert calibration_with("spot").batch.fixed_s.value == 0.1
    job = standard_setting(Kind.HEALTHCARE, seed=7, preset="slow", duration_s=600).simulated()
    job.advance(job.now + 120)
    durations = [batch.duration_s for batch in job.measure().batches]
    assert durations
    assert min(durations) > 1.8


def test_jobs_are_slower_and_targets_later_where_batches_cost_more(slow: Calibration) -> None:
    given = standard_setting(Kind.HEALTHCARE, seed=7, preset="slow", duration_s=600)
    assert (given.profile.trigger_interval_s, given.job.objectives.latency_target_ms) == (4.0, 8000.0)
    recorded = Load(source=given.workload, mean_rate=100).setting(preset="slow", seed=1, quality="none", duration_s=600)
    assert (recorded.profile.trigger_interval_s, recorded.job.objectives.latency_target_ms) == (4.0, 8000.0)
    drawn = [Randomisation(presets=("slow",)).draw(np.random.default_rng(seed)) for seed in range(30)]
    assert {s.profile.trigger_interval_s for s in drawn} == {4.0, 5.0}  # its own where that is longer
    assert all(s.job.objectives.latency_target_ms >= 1800 * s.profile.trigger_interval_s for s in drawn)


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
