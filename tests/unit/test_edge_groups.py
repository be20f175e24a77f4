"""When a gateway has something to say: on time, and at once where it is news."""

import pytest

from sparkiot_edge.groups import GroupMonitor
from sparkiot_edge.predictors import Prediction, Timing


class Scripted:
    """Predicts what it was given, one item a measurement."""

    NAME = "Scripted"

    def __init__(self, *script: tuple[float, bool]) -> None:
        self._script = list(script)

    def observe(self, rate: float, *, now: float) -> Prediction:
        predicted, alarm = self._script.pop(0)
        return Prediction(rate=predicted, probability=0.5, alarm=alarm)


def told(*script: tuple[float, bool], every_s: float = 10.0) -> list[float | None]:
    """The rate that is told at each second, None where nothing is."""
    monitor = GroupMonitor(
        source="g/city",
        model="Scripted",
        predictor=Scripted(*script),
        timing=Timing(interval_s=1.0, horizon_s=60.0),
        publish_every_s=every_s,
    )
    monitor.tick(now=1e9, elapsed=0.0)
    signals = [monitor.tick(now=1e9 + second, elapsed=float(second)) for second in range(1, len(script) + 1)]
    return [None if signal is None else signal.predicted_rate for signal in signals]


def test_it_speaks_at_its_pace() -> None:
    assert told(*[(float(n), False) for n in range(7)], every_s=3.0) == [0, None, None, 3, None, None, 6]


def test_an_alarm_and_its_end_do_not_wait() -> None:
    assert told((5, False), (5, True), (5, True), (5, False), (5, False)) == [5, 5, None, 5, None]


@pytest.mark.parametrize(("alarm", "expected"), [(True, [100, None, 126, None, 158]), (False, [100] + [None] * 4)])
def test_a_burst_that_grows_by_a_quarter_is_news(alarm: bool, expected: list[float | None]) -> None:
    assert told(*[(rate, alarm) for rate in (100.0, 125.0, 126.0, 157.0, 158.0)]) == expected
