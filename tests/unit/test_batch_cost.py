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


def test_five_looks_suffice_where_batches_differ_much() -> None:
    """Four calm batches of 18 rows and one of 198: 1.8 s and 0.04 s a row on one executor."""
    cost = BatchCost()
    for number, rows in enumerate((18, 18, 18, 18, 198)):
        assert cost.capacity() is None
        cost.add(time=6.0 * number, batches=1, rows=rows, busy_s=1.8 + 0.04 * rows, executors=1)
    assert cost.capacity() == pytest.approx(25)


def test_a_second_executor_that_does_not_help_a_fixed_cost_is_no_slow_one() -> None:
    """A rule that divides rows by busy time sees each executor at half its pace when there are two of them, asks for
    the second one again, and never lets go of it: 16 rows take 2.5 s with one, and 2.2 s with two."""
    cost = BatchCost()
    for number in range(8):
        executors = 1 + number // 4
        busy = 1.9 + 0.0375 * 16 / executors
        cost.add(time=6.0 * number, batches=1, rows=16, busy_s=busy, executors=executors)
    assert cost.capacity() == pytest.approx(1 / 0.0375, rel=0.01)


def test_of_batches_that_scatter_more_than_their_size_explains_an_executor_is_taken_for_slow() -> None:
    """Rows 10, 30, 10, 30, 10, 30 in 3, 3, 1, 5, 5, 2 s: the slope is 1/60 s, and its standard error is more than four
    times that: the squares of rows add up to 600, the scatter to 12.67 s², for four looks to spare 3.17 each, and the
    root of 3.17/600 is 0.0726. Rows over busy time would be 6.3."""
    cost = BatchCost()
    for number, (rows, busy_s) in enumerate(((10, 3), (30, 3), (10, 1), (30, 5), (10, 5), (30, 2))):
        cost.add(time=float(number), batches=4, rows=4.0 * rows, busy_s=4.0 * busy_s, executors=1)
    assert cost.capacity() == pytest.approx(1 / (1 / 60 + 0.0726), rel=0.01)


def test_executors_that_do_not_help_are_no_reason_for_more() -> None:
    """Ten rows take 8 s on one executor, 9 s on two and 10 s on three, as on a machine that has no core left for them.
    The line falls. On the mean an executor had 6.11 rows and 9 s, and ten times that pace is the bound."""
    cost = BatchCost()
    for number in range(9):
        executors = 1 + number // 3
        cost.add(time=0.0, batches=1, rows=10, busy_s=7.0 + executors, executors=executors)
    assert cost.capacity() == pytest.approx(10 * (10 + 5 + 10 / 3) / 27)


def test_nothing_is_guessed_from_one_batch_unless_it_took_long() -> None:
    short, long = BatchCost(), BatchCost()
    for number in range(3):
        assert short.estimate() is None
        short.add(time=8.0 * number, batches=1, rows=10, busy_s=4.0, executors=1)
    assert short.estimate() is not None
    long.add(time=0, batches=1, rows=600, busy_s=200.0, executors=1)
    assert long.estimate() is not None


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
