"""One cluster with an operator for each module of live tests: the embedded one, or the one that is given."""

import os
from collections.abc import Iterator

import pytest
from support_live import Embedded, Given, LiveCluster


@pytest.fixture
def hang_s() -> float:
    """Seconds for which an API server is stopped: a minute on a given cluster, less where time is short."""
    return 60.0 if os.environ.get("SPARKIOT_LIVE") == "given" else 20.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCluster]:
    folder = tmp_path_factory.mktemp("live")
    found = Given(folder) if os.environ.get("SPARKIOT_LIVE") == "given" else Embedded(folder)
    try:
        found.start_operator("--audit-dir", str(folder / "audit"))
        yield found
    finally:
        found.close()
