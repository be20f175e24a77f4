"""What fuzz tests draw from: any JSON, damaged copies of valid objects, hostile texts; and how long they look.

`HYPOTHESIS_PROFILE=long pytest -k fuzz` looks a hundred times as long as CI does.
"""

import contextlib
import copy
import os
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"


def examples(count: int) -> settings:
    """So many examples in CI. Objects as large as ours are slow to draw, which says nothing of the test."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    return settings(max_examples=count * (100 if LONG else 1), suppress_health_check=slow)


@contextlib.contextmanager
def refusing(kind: type[Exception], *, naming: str) -> Iterator[None]:
    """What may be refused, by an error of this kind whose message begins so."""
    try:
        yield
    except kind as error:
        _begins(str(error), naming)


def _begins(message: str, naming: str) -> None:
    assert message.startswith(naming), message
    assert len(message) > len(naming)


HOSTILE = (
    *("", " ", "\0", "\n", "²", "٣", "é", "\ud800", "a" * 300, "-", "..", "../..", "/", "//[", "%", "%00", "%zz"),
    *("9" * 20, "9" * 5000, "-1", "1e400", "NaN", "null", "true", "{}", "[]", "[" * 3000, "{{", "${x}", "a=b,!c"),
    *("in ()", "a in (b,c)", "1s", "1Gi", "0m", "99999999h", "24:00", "Europe/Nowhere", "local:///x.py"),
)
texts = st.sampled_from(HOSTILE) | st.text(max_size=12)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([2**31, 2**53, 2**63, -(2**63), 10**400, 1e308, -1e308, 0.1, float("inf"), float("nan")])
    | st.floats()
    | texts
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
"""Whatever JSON of Python can hold, and a little more: NaN, infinities, numbers of any size, lone surrogates."""


@st.composite
def damaged(draw: st.DrawFn, valid: Any, values: st.SearchStrategy[Any] = values) -> Any:
    """A copy of a valid object with one or two places replaced by something else, or taken away."""
    whole = {"": copy.deepcopy(valid)}
    for _ in range(draw(st.integers(1, 2))):
        node: Any = whole
        while True:
            place = draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
            if not isinstance(node[place], dict | list) or not node[place] or draw(st.integers(0, 4)) == 0:
                if node is not whole and draw(st.integers(0, 5)) == 0:
                    del node[place]
                else:
                    node[place] = draw(values)
                break
            node = node[place]
        if not whole[""] or not isinstance(whole[""], dict | list):
            break
    return whole[""]
