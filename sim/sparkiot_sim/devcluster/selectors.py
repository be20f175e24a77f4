"""Label and field selectors, as predicates."""

import re
from collections.abc import Callable, Iterable

from sparkiot_sim.devcluster.errors import Obj, bad_request

LabelTest = Callable[[dict[str, str]], bool]
FieldTest = Callable[[Obj], bool]

_TERM = re.compile(
    r"\s*(?:(?P<absent>!)\s*(?P<no_key>[\w./-]+)"
    r"|(?P<set_key>[\w./-]+)\s+(?P<set_op>in|notin)\s*\((?P<values>[^)]*)\)"
    r"|(?P<key>[\w./-]+)\s*(?:(?P<op>==|=|!=)\s*(?P<value>[\w.-]*))?)\s*(?:,|$)"
)


def label_test(selector: str) -> LabelTest:
    """`a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`.

    Raises ApiError 400 for anything else.
    """
    tests: list[LabelTest] = []
    position = 0
    while position < len(selector):
        match = _TERM.match(selector, position)
        if not match:
            raise bad_request(f'unable to parse requirement: "{selector[position:]}" in label selector "{selector}"')
        tests.append(_term_test(match))
        position = match.end()
    return lambda labels: all(test(labels) for test in tests)


def _term_test(match: re.Match[str]) -> LabelTest:
    if match["absent"]:
        absent = match["no_key"]
        return lambda labels: absent not in labels
    if match["set_key"]:
        key, values = match["set_key"], {value.strip() for value in match["values"].split(",")}
        return _one_of(key, values, wanted=match["set_op"] == "in")
    key, operator, value = match["key"], match["op"], match["value"]
    if operator is None:
        return lambda labels: key in labels
    return _one_of(key, {value}, wanted=operator != "!=")


def _one_of(key: str, values: set[str], *, wanted: bool) -> LabelTest:
    # An absent label satisfies != and notin, as in Kubernetes.
    return lambda labels: (labels.get(key) in values) == wanted


def field_test(selector: str, selectable: Iterable[str]) -> FieldTest:
    """`path=value`, `path==value`, `path!=value`, joined by commas.

    Raises ApiError 400 for a path that is neither metadata.name, metadata.namespace nor in `selectable`.
    """
    tests: list[FieldTest] = []
    for term in filter(None, (part.strip() for part in selector.split(","))):
        match = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", term)
        if not match:
            raise bad_request(f'invalid field selector: "{term}"')
        path, operator, value = match.groups()
        if path not in ("metadata.name", "metadata.namespace", *selectable):
            raise bad_request(f"field label not supported: {path}")
        tests.append(_field_equals(path.split("."), value, wanted=operator != "!="))
    return lambda obj: all(test(obj) for test in tests)


def _field_equals(path: list[str], value: str, *, wanted: bool) -> FieldTest:
    def test(obj: Obj) -> bool:
        found: object = obj
        for step in path:
            found = found.get(step) if isinstance(found, dict) else None
        return (("" if found is None else str(found)) == value) == wanted

    return test
