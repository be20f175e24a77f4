"""Rules by name and parameters: what is read, what is refused and how, and what a sweep names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_jobs import evaluation

from sparkiot_operator.offline import find_policy
from sparkiot_policies.allocation import Tier
from sparkiot_policies.errors import PolicyError
from sparkiot_policies.rules import HPA, RULES, SWEEPS, Dexter, Fixed, Rate, RateAhead, Rule, names_rule, rule, swept
from sparkiot_policies.rules.parameters import parameters
from sparkiot_sim.tournament.thesis import table


@pytest.mark.parametrize("name", RULES)
def test_every_rule_is_known_by_its_name(name: str) -> None:
    policy = rule(name)
    assert policy == RULES[name]()
    assert (policy.identity.name, policy.identity.digest) == (name, "builtin")
    assert policy.unfamiliar(evaluation()) == ()


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("RateAhead:utilization=0.8", RateAhead(utilization=0.8)),
        ("HPA:target=60:tolerance=0.05", HPA(target=60, tolerance=0.05)),
        ("Fixed:executors=8:tier=Hot", Fixed(executors=8, tier=Tier.HOT)),
        ("Dexter:step_up=3", Dexter(step_up=3)),
    ],
)
def test_a_reference_carries_parameters_and_its_identity_shows_them(reference: str, expected: Rule) -> None:
    assert rule(reference) == find_policy(reference) == expected
    assert expected.identity.name == reference


def test_an_identity_shows_what_differs_from_the_defaults() -> None:
    assert rule("Rate:utilization=0.6").identity == Rate().identity
    assert rule("HPA:tolerance=.05:target=60").identity.name == "HPA:target=60:tolerance=0.05"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("rate", "rule 'rate' is unknown; known: Fixed, HPA, Rate, RateAhead, "),
        (
            "Rate:target=1",
            "rule Rate: parameter 'target' is unknown; known: utilization, boundary, catch_up_s, max_down",
        ),
        ("Rate:0.8", "rule Rate: '0.8' is not PARAMETER=VALUE; parameters: utilization, "),
        ("Rate:", "rule Rate: '' is not PARAMETER=VALUE"),
        ("Rate:max_down=1:max_down=1", "rule Rate: parameter 'max_down' is given twice"),
        ("Rate:utilization=1.01", "rule Rate: utilization 1.01 must be a number above 0 and at most 1"),
        ("Rate:utilization=nan", "rule Rate: utilization nan must be a number above 0 and at most 1"),
        ("Rate:catch_up_s=inf", "rule Rate: catch_up_s inf must be a number above 0"),
        ("Rate:utilization=", "rule Rate: utilization '' must be a number above 0 and at most 1"),
        ("Rate:utilization=0.1", "rule Rate: boundary 0.1 must be below utilization, which is 0.1"),
        ("HPA:target=60.5", "rule HPA: target '60.5' must be a whole number at least 1 and at most 100"),
        ("Fixed:tier=hot", "rule Fixed: tier 'hot' must be one of Hot, Warm, Cold, Archive"),
        ("Fixed:executors=0", "rule Fixed: executors 0 must be a whole number at least 1 and at most 10000"),
        (f"Fixed:executors=1{'0' * 400}", "rule Fixed: executors 1000"),
        ("Dexter:cpu_low=90", "rule Dexter: cpu_low 90 must be below cpu_high, which is 80"),
    ],
)
def test_what_is_wrong_with_a_reference_is_said(reference: str, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        rule(reference)
    assert str(caught.value).startswith(message)


def test_a_policy_that_is_neither_rule_nor_artifact_lists_both() -> None:
    with pytest.raises(
        PolicyError, match=r"RateAhaed:utilization=1: neither a path nor .*shipped: default.*rules: Fixed"
    ):
        find_policy("RateAhaed:utilization=1")


@pytest.mark.parametrize("name", RULES)
def test_bounds_hold_however_a_rule_is_made(name: str) -> None:
    for p in parameters(RULES[name]):
        if p.kind in (int, float):
            with pytest.raises(ValueError, match=p.name):
                RULES[name](**{p.name: -1})


@pytest.mark.parametrize("name", RULES)
def test_a_sweep_is_a_set_of_distinct_rules(name: str) -> None:
    sweep = SWEEPS[name]
    rules = [rule(reference) for reference in swept(name)]
    assert [getattr(r, sweep.parameter) for r in rules] == list(sweep.values) == sorted(set(sweep.values))
    assert len({r.identity for r in rules}) == len(sweep.values) > 1


@given(st.text())
def test_no_text_makes_anything_but_a_rule_or_a_policy_error(text: str) -> None:
    for reference in (text, f"Rate:{text}", f"Rate:utilization={text}", f"HPA:target={text}", f"Fixed:tier={text}"):
        try:
            made = rule(reference)
        except PolicyError:
            continue
        assert names_rule(reference)
        assert rule(made.identity.name) == made


def test_the_thesis_arena_takes_parameters_too() -> None:
    rows = table(["Fixed:executors=20", "Fixed"], seeds=[1], steps=20)
    assert [line.row.policy for line in rows[:2]] == ["Fixed:executors=20", "Fixed"]
    assert rows[0].row.cost_dollars > rows[1].row.cost_dollars
