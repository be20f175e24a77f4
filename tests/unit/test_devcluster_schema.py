"""Schemas and CEL rules without a server: what is pruned, defaulted, refused, and what an update skips."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_apiserver import gauge, gauge_crd

from sparkiot_sim.devcluster.celfunctions import parse_quantity
from sparkiot_sim.devcluster.rules import SchemaError, escape
from sparkiot_sim.devcluster.schema import StructuralSchema

Obj = dict[str, Any]
GAUGE = StructuralSchema(gauge_crd(with_rules=True)["spec"]["versions"][0]["schema"]["openAPIV3Schema"])

scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=8)
names = st.sampled_from(
    ["unit", "mode", "bounds", "min", "max", "labels", "channels", "name", "anything", "x", "metadata"]
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)


def rule_schema(rule: str, properties: Obj | None = None, **extra: Any) -> StructuralSchema:
    return StructuralSchema(
        {
            "type": "object",
            "properties": properties or {"a": {"type": "integer"}, "b": {"type": "number"}, "q": {"type": "string"}},
            "x-kubernetes-validations": [{"rule": rule, **extra}],
        }
    )


@given(st.dictionaries(st.sampled_from(["apiVersion", "kind", "metadata", "spec", "status", "y"]), values))
def test_pruning_and_defaulting_settle(obj: Obj) -> None:
    GAUGE.prune(obj)
    GAUGE.apply_defaults(obj)
    again = {**obj}
    assert GAUGE.prune(again) == []
    GAUGE.apply_defaults(again)
    assert again == obj
    assert set(obj) <= {"apiVersion", "kind", "metadata", "spec", "status"}


@given(values)
def test_any_spec_is_judged_without_an_exception(spec: Any) -> None:
    obj = {"apiVersion": "v", "kind": "k", "metadata": {"name": "n"}, "spec": spec}
    GAUGE.prune(obj)
    GAUGE.apply_defaults(obj)
    assert all(error.field and error.message for error in GAUGE.validate(obj, None))


@given(st.dictionaries(names, values, max_size=4))
def test_pruning_reports_each_field_that_it_drops(spec: Obj) -> None:
    before = set(spec)
    dropped = GAUGE.prune({"spec": spec})
    assert {f"spec.{name}" for name in before - set(spec)} == {
        path for path in dropped if path.count(".") == 1 and "[" not in path
    }


def test_lists_below_a_schema_that_keeps_anything_are_kept() -> None:
    spec = gauge("a", anything={"list": [{"a": {"b": 1}}]})
    assert GAUGE.prune(spec) == []
    assert spec["spec"]["anything"] == {"list": [{"a": {"b": 1}}]}
    bare = {"l": [{"a": 1}]}
    assert StructuralSchema({"properties": {"l": {"x-kubernetes-preserve-unknown-fields": True}}}).prune(bare) == []
    assert bare == {"l": [{"a": 1}]}


def test_an_unchanged_violation_does_not_block_an_update() -> None:
    old = gauge("a", replicas=-5)
    new = {**old, "status": {"phase": "Running"}}
    assert GAUGE.validate(new, old) == []
    assert [error.field for error in GAUGE.validate(gauge("a", replicas=-6), old)] == ["spec.replicas"]


@pytest.mark.parametrize(
    ("rule", "obj", "passes"),
    [
        ("self.a <= 3", {"a": 3}, True),
        ("self.a <= 3", {"a": 4}, False),
        ("self.b + 1.0 <= 3.0", {"b": 2}, True),  # an integral number is a double, as the schema says
        ("!has(self.a) || self.a > 1", {}, True),
        ("self.a > 1", {}, False),  # a missing key is an evaluation error, which refuses
        ("quantity(self.q).compareTo(quantity('1Gi')) >= 0", {"q": "1024Mi"}, True),
        ("quantity(self.q).isLessThan(quantity('500m'))", {"q": "0.4"}, True),
        ("quantity(self.q) == quantity('1000m')", {"q": "1"}, True),
        ("isQuantity(self.q)", {"q": "1 GB"}, False),
        ("quantity(self.q).isLessThan(quantity('1'))", {"q": "many"}, False),
        ("duration(self.q) <= duration('1h')", {"q": "90m"}, False),
        ("duration(self.q) <= duration('1h')", {"q": "59m59s"}, True),
        ("self.q.matches('^[a-z]+$') && self.q.size() < 4", {"q": "abc"}, True),
        ("self.q.split(',').all(part, part.trim() != '')", {"q": "a, b"}, True),
        ("self.q.lowerAscii() == 'abc'", {"q": "aBc"}, True),
        ("[self.a, 2].sum() == 3", {"a": 1}, True),
        ("type(self.a) == int", {"a": 1}, True),
    ],
)
def test_rules(rule: str, obj: Obj, passes: bool) -> None:
    errors = rule_schema(rule).validate(obj, None)
    assert (errors == []) == passes, errors


def test_a_violation_says_what_the_rule_says() -> None:
    schema = rule_schema(
        "self.a < 3", message="too large", messageExpression="'a is ' + string(self.a)", fieldPath=".a",
        reason="FieldValueForbidden",
    )  # fmt: skip
    (error,) = schema.validate({"a": 7}, None)
    assert (error.field, error.reason) == ("a", "FieldValueForbidden")
    assert error.message.endswith("a is 7")
    (error,) = rule_schema("self.a < 3").validate({"a": 7}, None)
    assert "failed rule: self.a < 3" in error.message


FREE: Obj = {"a": {"x-kubernetes-preserve-unknown-fields": True}}


def test_numbers_that_are_no_int64_are_doubles_as_kubernetes_reads_them() -> None:
    assert rule_schema("self.a > 1e19", FREE).validate({"a": 2**64}, None) == []
    assert rule_schema("type(self.a) == int", FREE).validate({"a": 2**63 - 1}, None) == []
    (error,) = rule_schema("self.a > 0", FREE).validate({"a": 10**400}, None)
    assert "rule evaluation error" in error.message


def test_transition_rules_need_an_old_value() -> None:
    schema = rule_schema("self.a >= oldSelf.a")
    assert schema.validate({"a": 1}, None) == []
    assert schema.validate({"a": 2}, {"a": 1}) == []
    assert len(schema.validate({"a": 1}, {"a": 2})) == 1


def test_reserved_property_names_are_escaped() -> None:
    schema = rule_schema("self.__namespace__ == 'x' && self.a__dash__b == 1", {"namespace": {}, "a-b": {}})
    assert schema.validate({"namespace": "x", "a-b": 1}, None) == []
    assert escape("x__y") == "x__underscores__y"


@pytest.mark.parametrize(
    "rule", ["self.a ==", "nothing(self.a)", "self.a == other", "self.all(x, x > y)", "url(self.q).getHost() == 'a'"]
)
def test_rules_that_cannot_compile(rule: str) -> None:
    with pytest.raises(SchemaError, match=r"x-kubernetes-validations: Invalid value: .* compilation failed"):
        rule_schema(rule)


@pytest.mark.parametrize(
    ("text", "number"), [("1Ki", 1024), ("1k", 1000), ("1500m", 1.5), ("2e3", 2000), ("-.5", -0.5)]
)
def test_quantities(text: str, number: float) -> None:
    assert float(parse_quantity(text)) == number


@pytest.mark.parametrize("text", ["", "Gi", "1 Gi", "1GiB", "1e", "--1", "NaN"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        parse_quantity(text)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"properties": [1]}, "properties: must be an object"),
        ({"properties": {"a": 3}}, r"properties\[a\]: must be an object"),
        ({"items": {"type": "text"}}, 'items.type: Unsupported value: "text"'),
        ({"pattern": "("}, "pattern: Invalid value"),
        ({"additionalProperties": {"$ref": "#/x"}}, "references are not structural"),
    ],
)
def test_schemas_that_are_not_structural(schema: Obj, words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        StructuralSchema(schema)
