"""One cluster with an operator for each module of live tests: the embedded one, or the one that is given.

At its end a module leaves what its jobs took; the run prints it.
"""

import os
from collections.abc import Iterator

import pytest
from support_figures import figures
from support_live import Embedded, Given, LiveCluster

FIGURES = pytest.StashKey[list[str]]()
FROM_WORKER = "sparkiot_live_figures"


@pytest.fixture
def hang_s() -> float:
    """Seconds for which an API server is stopped: a minute on a given cluster, less where time is short."""
    return 60.0 if os.environ.get("SPARKIOT_LIVE") == "given" else 20.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[LiveCluster]:
    folder = tmp_path_factory.mktemp("live")
    found = Given(folder) if os.environ.get("SPARKIOT_LIVE") == "given" else Embedded(folder)
    try:
        found.start_operator()
        yield found
    finally:
        found.close()
    said = list(figures(found.audit, found.api_log, found.namespace))
    pytestconfig.stash.setdefault(FIGURES, []).extend(said)
    if hasattr(pytestconfig, "workeroutput"):
        pytestconfig.workeroutput[FROM_WORKER] = pytestconfig.stash[FIGURES]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: pytest.Item) -> None:
    """pytest-xdist: what a worker process has collected."""
    node.config.stash.setdefault(FIGURES, []).extend(getattr(node, "workeroutput", {}).get(FROM_WORKER, []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if said := terminalreporter.config.stash.get(FIGURES, []):
        terminalreporter.section("measured on live jobs")
        for line in said:
            terminalreporter.write_line(line)
