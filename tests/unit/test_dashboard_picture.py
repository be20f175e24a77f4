"""The page's pictures: scales by hand, gaps that stay gaps, and words that say the same."""

import pytest
from support_dashboard import filled, played

from sparkiot_operator.dashboard import formats
from sparkiot_operator.dashboard.chart import draw, spark, summary
from sparkiot_operator.dashboard.distance import distance
from sparkiot_operator.dashboard.samples import Sample, Timeline
from sparkiot_operator.dashboard.scales import Scale, area, line, nice_top, runs, steps, ticks, time_ticks, whole_top
from sparkiot_operator.events import JobRef
from sparkiot_policies.allocation import Tier

X, Y = Scale(0, 100, 0, 100), Scale(0, 10, 50, 0)


def timeline(*samples: Sample, rule: str | None = "Rate") -> Timeline:
    made = Timeline(JobRef("iot", "city", "uid-1"))
    made.rule = rule
    for sample in samples:
        made.add(sample)
    return made


@pytest.mark.parametrize(
    ("values", "top", "step"),
    [
        ([7.3], 8.0, 2.0),
        ([100.0], 100.0, 25.0),
        ([0.0031], 0.004, 0.001),
        ([], 1.0, 1.0),
        ([0.0, float("nan")], 1.0, 1.0),
    ],
)
def test_an_axis_ends_at_a_round_number_that_holds_every_value(values: list[float], top: float, step: float) -> None:
    assert nice_top(values, 4) == pytest.approx((top, step))


def test_a_count_has_no_ticks_between_whole_numbers() -> None:
    top, step = whole_top([3], 4)
    assert ticks(top, step) == [0, 1, 2, 3]
    assert whole_top([], 4) == (1, 1)


def test_times_are_ticked_at_round_times_of_the_clock() -> None:
    assert time_ticks(95.0, 400.0, 6) == [120.0, 180.0, 240.0, 300.0, 360.0]
    assert time_ticks(10.0, 10.0, 6) == [10.0]


def test_a_missing_value_and_a_pause_break_a_line_and_are_not_drawn_as_zero() -> None:
    times, values = [0, 10, 20, 30, 40, 90, 100], [1, 2, None, 4, 5, 6, 7]
    assert list(runs(times, values)) == [[(0, 1), (10, 2)], [(30, 4), (40, 5)], [(90, 6), (100, 7)]]
    assert line(times, values, X, Y) == "M0.0,45.0 10.0,40.0M30.0,30.0 40.0,25.0M90.0,20.0 100.0,15.0"


def test_a_value_that_stands_alone_is_a_dot_and_steps_hold_until_the_next() -> None:
    assert line([0, 10], [3, None], X, Y) == "M0.0,35.0h0"
    assert steps([0, 10, 20], [1, 1, 2], X, Y) == "M0.0,45.0H10.0V45.0H20.0V40.0"
    assert area([0, 10], [1, 2], X, Y) == "M0.0,50.0V45.0L10.0,40.0V50.0Z"


def test_one_sample_is_no_picture() -> None:
    assert draw(timeline(Sample(time=0.0, load=1.0))) is None
    assert spark(None) == ""
    assert spark(timeline(Sample(time=0.0), Sample(time=10.0))) == ""


def test_what_nobody_measured_is_an_empty_panel_and_said_to_be_unknown() -> None:
    picture = draw(timeline(Sample(time=0.0, running=2), Sample(time=10.0, running=3)))
    assert picture is not None
    load, executors, latency = picture.panels
    assert (load.empty, load.curves, load.ticks) == (True, (), ())
    assert (latency.empty, executors.empty) == (True, False)
    assert [curve.kind for curve in executors.curves] == ["running"]
    assert "Load: not known." in picture.summary
    assert "Executors running: 3 now, 2 to 3." in picture.summary


def test_an_outage_does_not_hide_the_objective() -> None:
    calm = [Sample(time=10.0 * n, latency_s=0.9, target_s=1.0) for n in range(5)]
    picture = draw(timeline(*calm, Sample(time=50.0, latency_s=120.0, target_s=1.0)))
    assert picture is not None
    latency = picture.panels[2]
    assert [tick.text for tick in latency.ticks] == ["0", "1", "2", "3", "4"]
    assert latency.note == "cut off at 4, highest 120"
    assert picture.moments[-1].lines[5] == ("latency", formats.duration(120.0))


def test_tiers_are_bands_and_decisions_are_marks() -> None:
    tiers = [Tier.HOT, Tier.HOT, Tier.COLD, Tier.COLD]
    changes = [None, "up", "other", None]
    picture = draw(
        timeline(
            *(
                Sample(time=10.0 * n, tier=t, change=c, held=n == 3)
                for n, (t, c) in enumerate(zip(tiers, changes, strict=True))
            )
        )
    )
    assert picture is not None
    hot, cold = picture.bands
    assert (hot.name, cold.name) == ("Hot", "Cold")
    assert hot.start + hot.width == pytest.approx(cold.start, abs=0.2)
    assert [mark.kind for mark in picture.marks] == ["up", "other", "held"]


def test_a_real_timeline_is_drawn_whole() -> None:
    timelines = filled(played())
    found = timelines.find(played().ref)
    assert found is not None
    picture = draw(found)
    assert picture is not None
    assert [[c.kind for c in p.curves] for p in picture.panels] == [
        ["load", "forecast"],
        ["running", "decided", "rule"],
        ["latency", "target"],
    ]
    assert 2 <= len(picture.moments) <= 121
    assert all(m.start >= 0 and m.start + m.width <= picture.width for m in picture.moments)
    assert summary(found).startswith(f"{len(found.samples)} cycles from 2023-11-1")


def test_the_distance_to_the_rule_by_hand() -> None:
    """An hour: 4 against 6 for half of it, then 8 against 6; the last cycle has no length yet."""
    hand = timeline(
        Sample(time=0.0, decided=4, rule=6),
        Sample(time=1800.0, decided=8, rule=6),
        Sample(time=3600.0, decided=6, rule=6),
    )
    found = distance(hand)
    assert found is not None
    assert (found.policy, found.rule, found.hours) == (6.0, 6.0, 1.0)
    assert (found.mean, found.last, found.differing) == (0.0, 0, pytest.approx(2 / 3))


def test_time_that_nobody_saw_counts_for_neither() -> None:
    seen = [Sample(time=10.0 * n, decided=2, rule=1) for n in range(4)]
    found = distance(timeline(*seen, Sample(time=10_000.0, decided=9, rule=1)))
    assert found is not None
    assert (found.hours, found.policy, found.rule) == pytest.approx((30 / 3600, 60 / 3600, 30 / 3600))
    assert found.mean == pytest.approx(1.0)


def test_without_a_rule_there_is_no_distance() -> None:
    assert distance(timeline(Sample(time=0.0, decided=4), rule=None)) is None


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (formats.quantity(None), "–"),
        (formats.quantity(0.0, "msg/s"), "0\u202fmsg/s"),
        (formats.quantity(1234.5, "msg/s"), "1\u202f234\u202fmsg/s"),
        (formats.quantity(12.345), "12.3"),
        (formats.quantity(float("inf")), "–"),
        (formats.share(0.9987), "99.9\u202f%"),
        (formats.dollars(None), "–"),
        (formats.dollars(1234.5), "$1,234.50"),
        (formats.duration(0.85), "850\u202fms"),
        (formats.duration(60.0), "1\u202fm"),
        (formats.duration(None), "–"),
        (formats.signed(-0.2, digits=1), "\u22120.2"),
        (formats.signed(-0.01, digits=1), "0.0"),
        (formats.signed(3), "+3"),
        (formats.ago(100.0, 100.0), "0\u202fs ago"),
        (formats.ago(100.0, 7400.0), "2\u202fh ago"),
        (formats.ago(200.0, 100.0), "0\u202fs ago"),
        (formats.clock(0.0), "00:00:00"),
    ],
)
def test_numbers_carry_their_units_and_missing_ones_are_a_dash(text: str, wanted: str) -> None:
    assert text == wanted
