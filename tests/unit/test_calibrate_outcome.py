"""What a calibration leaves: a file that loads as what was measured, a report that says what it means, a picture."""

from pathlib import Path

import pytest
from support_calibrate import DATE, measurements

from sparkiot_policies.allocation import Compression, Tier
from sparkiot_sim.calibrate.file import PRESET
from sparkiot_sim.calibrate.outcome import BASE, FILE, PICTURE, RECORDS, REPORT, evaluate, write
from sparkiot_sim.calibrate.records import Measurements
from sparkiot_sim.calibration import Calibration, Constant, calibration_with, load_calibration


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("calibrate")
    write(found, measurements(), evaluate(measurements()))
    return found


def measured(calibration: Calibration) -> list[Constant]:
    """The constants that the hand-made measurements determine."""
    hot, memory, preset = calibration.tiers[Tier.HOT], calibration.memory, calibration.preset(PRESET)
    lz4 = calibration.compression[Compression.LZ4]
    assert lz4.throughput_mb_s is not None
    return [
        calibration.batch.fixed_s,
        calibration.batch.scaling_exponent,
        memory.spill_slowdown,
        memory.oom_pressure,
        hot.access_s,
        hot.bandwidth_mb_s,
        lz4.ratio,
        lz4.throughput_mb_s,
        preset.startup_s,
        preset.startup_spread,
        preset.decommission_s,
        preset.restart_s,
        preset.restart_spread,
    ]


def test_the_file_loads_again_as_the_same_calibration(folder: Path) -> None:
    assert load_calibration(folder / FILE) == evaluate(measurements()).calibration


def test_every_measured_constant_has_unit_source_date_and_spread(folder: Path) -> None:
    constants = measured(load_calibration(folder / FILE))
    assert [c.value for c in constants[:6]] == pytest.approx([2.0, 0.8, 0.5, 3.75, 0.001, 100])
    for constant in constants:
        assert constant.unit
        assert constant.source.startswith("measured")
        assert "2 cores beside other work" in constant.source
        assert constant.date == DATE
        assert constant.spread is not None


def test_a_machine_that_was_idle_is_not_called_busy() -> None:
    idle = measurements().model_copy(update={"load": (0.1, 4.0)})  # at the end it is the calibration's own
    assert not idle.beside_others
    assert "other work" not in evaluate(idle).calibration.batch.fixed_s.source


def test_what_was_not_measured_keeps_its_value_and_source(folder: Path) -> None:
    found, base = load_calibration(folder / FILE), calibration_with(BASE)
    assert found.tiers[Tier.ARCHIVE] == base.tiers[Tier.ARCHIVE]
    assert found.temperature == base.temperature
    assert found.memory.expansion == base.memory.expansion
    assert found.preset(PRESET).losses_per_hour == base.preset(BASE).losses_per_hour
    assert tuple(found.presets) == (PRESET,)


def test_the_trigger_leaves_half_of_it_for_rows_and_reserved_memory_follows_from_what_is_usable(folder: Path) -> None:
    found = load_calibration(folder / FILE)
    assert found.preset(PRESET).trigger_interval_s.value == 4  # twice the 2 s that a batch costs
    assert found.memory.reserved_mib.value == round(1024 - 200 / 0.6)


def test_the_report_sets_measured_beside_predicted_and_says_what_is_open(folder: Path) -> None:
    text = (folder / REPORT).read_text()
    assert "Median error 0.0 %, under the aim of 20 %" in text
    assert "| single batches | 400 | 4 | 4.64 | 4.64 | +0 % |" in text  # 2 + 400 · 0.02 / 4 ** 0.8
    assert "A row of the example job takes 20 ± " in text
    assert "| `batch.fixed_s` | 2 |" in text
    assert "| Hot | ZSTD | 1.69 | 0.56 |" in text  # 1.5 and 0.5 times 1 ms + 0.0125 MB at 100 MB/s
    assert "beside other work (load average of 1.5 a core before it began)" in text
    assert "- tier Cold: no server was named" in text
    assert f"]({PICTURE})" in text
    assert (folder / PICTURE).read_bytes().startswith(b"\x89PNG")


def test_the_records_read_again_as_what_was_measured(folder: Path) -> None:
    assert Measurements.model_validate_json((folder / RECORDS).read_text()) == measurements()


def test_without_spark_the_tiers_are_written_and_nothing_is_drawn(tmp_path: Path) -> None:
    only_tiers = measurements(with_spark=False)
    write(tmp_path, only_tiers, evaluate(only_tiers))
    found = load_calibration(tmp_path / FILE)
    assert found.tiers[Tier.HOT].access_s.date == DATE
    assert found.batch == calibration_with(BASE).batch
    assert not (tmp_path / PICTURE).exists()
    assert "replayed" not in (tmp_path / REPORT).read_text()
