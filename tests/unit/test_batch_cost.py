"""The fixed part of a batch and the shared one, told apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkiot_policies.batch_cost import FORGET_S, USUAL_OVERHEAD, BatchCost


def fitted(overhead: float, capacity: float, sizes: list[tuple[float, int]]) -> BatchCost:
    cost = BatchCost()
    for number, (rows, executors) in enumerate(sizes):
        duration = overhead + rows / (executors * capacity)
        cost.add(time=10.0 * number, batches=10, rows=10 * rows, busy_s=10 * duration, executors=executors)
    return cost


@given(overhead=st.floats(0.01, 5), capacity=st.floats(1, 1e4), rows=st.floats(1, 1e4), executors=st.integers(1, 100))
def test_a_line_is_found_again(overhead: float, capacity: float, rows: float, executors: int) -> None:
    cost = fitted(overhead, capacity, [(rows, executors), (2 * rows, executors), (rows, 3 * executors)])
    assert cost.capacity() == pytest.approx(capacity, rel=1e-3)


def test_batches_that_are_alike_tell_nothing() -> None:
    assert fitted(0.1, 90, [(150, 5)] * 50).capacity() is None


def test_too_few_batches_tell_nothing() -> None:
    cost = BatchCost()
    assert cost.capacity() is None
    cost.add(time=0, batches=1, rows=10, busy_s=1, executors=1)
    cost.add(time=1, batches=1, rows=90, busy_s=2, executors=1)
    assert cost.capacity() is None


def test_larger_batches_that_are_quicker_describe_no_batch() -> None:
    cost = BatchCost()
    cost.add(time=0, batches=20, rows=2000, busy_s=20, executors=1)
    cost.add(time=1, batches=20, rows=9000, busy_s=10, executors=1)
    assert cost.capacity() is None


def test_another_cost_is_believed_after_a_while() -> None:
    cost = fitted(0.1, 90, [(100, 5), (200, 5)] * 20)
    for number in range(40):
        rows = 100.0 + 100 * (number % 2)
        later = 10 * FORGET_S + 10 * number
        cost.add(time=later, batches=10, rows=10 * rows, busy_s=10 * (0.1 + rows / (5 * 30)), executors=5)
    assert cost.capacity() == pytest.approx(30, rel=0.01)


def test_a_guess_is_there_from_the_first_batch_and_gives_way_to_what_is_measured() -> None:
    cost = BatchCost()
    assert cost.estimate() is None
    cost.add(time=0, batches=20, rows=2000, busy_s=8, executors=2)
    guess = cost.estimate()
    assert guess is not None
    assert guess.overhead_s == pytest.approx(USUAL_OVERHEAD * 0.4)
    assert guess.capacity == pytest.approx(100 / 2 / (0.4 - guess.overhead_s))
    known = fitted(0.3, 90, [(100, 5), (300, 5)] * 20).estimate()
    assert known is not None
    assert (known.overhead_s, known.capacity) == pytest.approx((0.3, 90), rel=0.02)


def test_after_a_change_of_layout_the_overhead_is_new_and_the_slope_stays() -> None:
    """A tier that answers later costs every batch 0.2 s more; what a row costs is known before it is met there."""
    cost = BatchCost()
    for number in range(20):
        rows = 100 + 200 * (number % 2)
        busy = 10 * (0.1 + rows / (5 * 90))
        cost.add(time=10.0 * number, batches=10, rows=10 * rows, busy_s=busy, executors=5, layout="warm")
    for number in range(20, 24):
        busy = 10 * (0.3 + 200 / (5 * 90))
        cost.add(time=10.0 * number, batches=10, rows=2000, busy_s=busy, executors=5, layout="cold")
    found = cost.estimate()
    assert found is not None
    assert (found.overhead_s, found.capacity) == pytest.approx((0.3, 90), rel=0.03)
