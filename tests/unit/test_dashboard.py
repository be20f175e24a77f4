"""The Grafana dashboard: its form, its layout, and what its queries may be."""

import itertools
import json
from pathlib import Path
from typing import Any

from sparkiot_operator.metrics.dashboard import COLUMNS, dashboard

Json = dict[str, Any]
FILE = Path(__file__).parents[2] / "charts" / "sparkiot" / "files" / "dashboard.json"


def panels() -> list[Json]:
    found: list[Json] = dashboard()["panels"]
    return found


def cells(panel: Json) -> set[tuple[int, int]]:
    at = panel["gridPos"]
    columns, lines = range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])
    return set(itertools.product(columns, lines))


def test_the_file_of_the_chart_is_current() -> None:
    assert json.loads(FILE.read_text()) == dashboard(), "run `make generate`"


def test_no_panel_lies_over_another_or_beyond_the_edge() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        assert not taken & cells(panel), panel["title"]
        taken |= cells(panel)
    assert {column for column, _ in taken} == set(range(COLUMNS))
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_every_panel_explains_itself_and_names_its_queries() -> None:
    shown = [panel for panel in panels() if panel["type"] != "row"]
    assert len({panel["title"] for panel in shown}) == len(shown)
    for panel in shown:
        assert panel["description"].endswith("."), panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert refs
        assert len(set(refs)) == len(refs)
        # Numbers and tables are of now; curves have a time.
        assert {target["instant"] for target in panel["targets"]} == {panel["type"] != "timeseries"}


def test_a_table_has_one_line_a_job_whichever_query_it_comes_from() -> None:
    """What its queries give must have the same labels: the name of a metric would part them."""
    tables = [panel for panel in panels() if panel["type"] == "table" and len(panel["targets"]) > 1]
    assert tables
    for panel in tables:
        assert all(target["expr"].startswith("max by (namespace, name) (") for target in panel["targets"])
        names = panel["transformations"][-1]["options"]["renameByName"]
        assert set(names) == {f"Value #{target['refId']}" for target in panel["targets"]}
