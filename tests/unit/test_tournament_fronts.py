"""Fronts and their ratios, on points that can be checked by hand."""

import math

import pytest

from sparkiot_sim.tournament.fronts import Comparison, Front, Point, compare, cost_at, front


def points(*pairs: tuple[float, float]) -> tuple[Point, ...]:
    return tuple(Point(f"{cost:g}", cost, attainment) for cost, attainment in pairs)


RIVAL = points((10, 0.90), (20, 0.98), (40, 0.99))


def test_a_front_keeps_what_nothing_beats() -> None:
    # 12 is dearer than 10 and no better; 30 attains no more than 20; of two at one price the better one stays.
    found = front(points((40, 0.99), (12, 0.90), (10, 0.90), (30, 0.98), (20, 0.98), (20, 0.97), (math.nan, 1.0)))
    assert [(p.cost, p.attainment) for p in found] == [(10, 0.90), (20, 0.98), (40, 0.99)]
    assert front(points((5.0, math.nan))) == ()


@pytest.mark.parametrize(
    ("attainment", "cost"),
    [
        (0.5, 10.0),  # below the front, its cheapest point
        (0.90, 10.0),
        (0.94, 15.0),  # half of the way from 0.90 to 0.98
        (0.98, 20.0),
        (0.985, 30.0),
        (0.99, 40.0),
        (0.991, None),  # no setting reaches it
    ],
)
def test_the_cost_of_a_front_at_an_attainment(attainment: float, cost: float | None) -> None:
    assert cost_at(RIVAL, attainment) == (None if cost is None else pytest.approx(cost))


def test_a_policy_at_half_the_price_everywhere() -> None:
    found = compare(points((5, 0.90), (10, 0.98), (20, 0.99)), [RIVAL])
    assert found.worst_ratio == found.mean_ratio == pytest.approx(0.5)
    assert (found.beyond, found.out_of_reach, found.dominated) == (0.0, None, 1.0)


def test_the_worst_attainment_may_be_the_rivals_point() -> None:
    # From (8, 0.90) straight to (36, 0.99): at the rival's 0.98 it costs 8 + 28 * 8/9 = 32.89, the rival 20.
    found = compare(points((8, 0.90), (36, 0.99)), [RIVAL])
    assert found.worst_ratio == pytest.approx((8 + 28 * 8 / 9) / 20)
    assert found.worst_at == 0.98
    # Ratios 0.8 at 0.90, 1.644 at 0.98, 0.9 at 0.99.
    assert found.mean_ratio == pytest.approx((0.8 * (8 + 28 * 8 / 9) / 20 * 0.9) ** (1 / 3))
    assert found.dominated == pytest.approx(2 / 3)


def test_beyond_the_ends_of_the_rivals_front() -> None:
    # Below its first point the rival is taken at its cheapest, 10; above its last there is nothing to compare with.
    found = compare(points((9, 0.80), (39, 0.99), (50, 0.995)), [RIVAL])
    assert found.worst_ratio == pytest.approx(
        max(0.9, (9 + 30 * 0.10 / 0.19) / 10, (9 + 30 * 0.18 / 0.19) / 20, 39 / 40)
    )
    assert found.worst_at == 0.90
    assert found.beyond == pytest.approx(1 / 3)
    assert found.out_of_reach is None


def test_what_the_rival_reaches_alone_is_said_and_not_hidden() -> None:
    found = compare(points((8, 0.90), (15, 0.97)), [RIVAL])
    assert found.out_of_reach == 0.99
    assert found.worst_at in {0.90, 0.97}
    assert found.dominated == pytest.approx(1 / 3)


def test_a_rival_that_reaches_nothing_of_it_gives_no_ratio() -> None:
    found = compare(points((30, 0.999)), [RIVAL])
    assert found == Comparison(
        worst_ratio=None, worst_at=None, mean_ratio=None, beyond=1.0, out_of_reach=None, dominated=pytest.approx(1 / 3)
    )


@pytest.mark.parametrize(("policy", "rival"), [((), RIVAL), (RIVAL, ())])
def test_an_empty_front_is_refused(policy: Front, rival: Front) -> None:
    with pytest.raises(ValueError, match="without a measured point"):
        compare(policy, [rival])


def test_a_policy_against_itself() -> None:
    found = compare(RIVAL, [RIVAL])
    assert (found.worst_ratio, found.mean_ratio, found.dominated) == (pytest.approx(1.0), pytest.approx(1.0), 0.0)


def test_of_several_rivals_the_cheapest_counts_at_each_attainment() -> None:
    """The straight line of one passes below a point of the other: 15 at 0.94, where the other asks 18."""
    other = points((18, 0.94), (19, 0.98))
    policy = points((9, 0.94), (19, 0.98))
    both = compare(policy, [RIVAL, other])
    assert both.worst_ratio == pytest.approx(1.0)
    assert both.mean_ratio == pytest.approx(math.sqrt(9 / 15 * 19 / 19))
    assert both.worst_ratio >= max(compare(policy, [rival]).worst_ratio or 0 for rival in (RIVAL, other))


def test_no_rival_is_no_comparison() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        compare(RIVAL, [])
