"""Reference pages hold every word that the code has, with its meaning, and a word without one is refused."""

import enum

import pytest

from sparkiot_operator.conditions import ORDER
from sparkiot_operator.docs_codes import conditions_page, decisions_page, events_page, meanings, observation_page
from sparkiot_operator.docs_commands import commands_page
from sparkiot_operator.docs_resource import resource_page
from sparkiot_operator.reasons import REASONS
from sparkiot_operator.resource.status import ConditionType
from sparkiot_policies.decision import ClampCode
from sparkiot_policies.observation import ELEMENTS


class Described(enum.StrEnum):
    """Two words."""

    FIRST = "First"
    """What comes
    first."""
    SECOND = "Second"
    """What follows."""


class Forgotten(enum.StrEnum):
    FIRST = "First"
    """What comes first."""
    SECOND = "Second"
    THIRD = "Third"
    """Not what the second means."""


def test_a_words_meaning_is_the_docstring_below_it() -> None:
    assert meanings(Described) == {"First": "What comes first.", "Second": "What follows."}


def test_a_word_without_meaning_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Forgotten: Second without a docstring"):
        meanings(Forgotten)


def test_every_condition_has_its_section_and_its_reasons() -> None:
    page = conditions_page()
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        "## Phases",
        *(f"## {kind.value}" for kind in ORDER),
    ]
    assert set(REASONS) == set(ConditionType) - {ConditionType.READY}
    assert (
        "| `SignalStale` | None was believed for `staleAfter`. The message counts what was dropped, and why. |" in page
    )


def test_codes_and_events_are_rows() -> None:
    rows = decisions_page().splitlines()
    assert (
        "| `Override` | Somebody pinned the executors (`kubectl scale`, `spec.scaling.executors.override`). |" in rows
    )
    assert all(any(row.startswith(f"| `{code.value}` |") for row in rows) for code in ClampCode)
    assert "| `Resumed` | The job goes on where it was suspended. |" in events_page()


def test_elements_of_an_observation_are_numbered_as_a_policy_gets_them() -> None:
    rows = [line for line in observation_page().splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert len(rows) == len(ELEMENTS)
    assert rows[2] == "| 2 | `cpu` | % | 0 to 100 | CPU utilisation of the executors |"
    assert rows[13].startswith("| 13 | `backlog` | messages | 0 to 1e+06 |")


def test_fields_of_the_resource_are_rows_with_bounds_and_defaults() -> None:
    page = resource_page()
    assert "| `executors.max` | integer from 1 to 1000 | `20` | Most executors. |" in page
    assert "| `weights.cost` | number from 0 to 1 | needed | Weight of cost (alpha), 0 to 1. |" in page
    assert "- `spec.objectives.latency`: target must be from 1ms to 24h" in page
    assert "### status.conditions[]" in page


def test_commands_are_listed_with_their_options() -> None:
    page = commands_page()
    assert "## sparkiot policy verify" in page
    assert "| `--once` | Print the table once and exit. |" in page
    assert "| `JOB <str>` | Name of the SparkIoTJob. [required] |" in page
    assert "[settings](settings.md)" in page
