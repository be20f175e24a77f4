"""The real Prometheus and promtool: a server that scrapes given targets, and what it answers."""

import contextlib
import json
import os
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from support_operator import free_port, wait_until

Json = dict[str, Any]
ROOT = Path(__file__).parent.parent
FETCHED = ROOT / ".cache" / "prometheus"
RULES = ROOT / "charts" / "sparkiot" / "files" / "rules.yaml"
DASHBOARD = ROOT / "charts" / "sparkiot" / "files" / "dashboard.json"


def binary(name: str) -> str:
    """Skips the test where there is none; in CI there must be one."""
    found = FETCHED / name
    if found.exists():
        return str(found)
    installed = shutil.which(name)
    if installed is not None:
        return installed
    reason = f"{name} is missing: make .cache/prometheus/.done (needs apt), or install Prometheus"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def promtool(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [binary("promtool"), *arguments], input=stdin, capture_output=True, text=True, timeout=120, check=False
    )


class Prometheus:
    """A server at its URL."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str, **query: str) -> Any:
        """What the API answers as data."""
        with urllib.request.urlopen(f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=30) as answer:
            return json.load(answer)["data"]

    def value(self, query: str) -> list[Json]:
        """The vector that a query gives now."""
        return list(self.get("query", query=query)["result"])

    def up(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self.get("status/buildinfo")["version"])
        return False


@contextlib.contextmanager
def scraping(folder: Path, targets: Mapping[str, str]) -> Iterator[Prometheus]:
    """Scrape each address every second, labelled with its own namespace as Prometheus Operator does, with the rules.

    targets: address by namespace.
    """
    port = free_port()
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {
                "job_name": "sparkiot-metrics",
                "honor_labels": True,
                "static_configs": [
                    {"targets": [address], "labels": {"namespace": namespace}} for namespace, address in targets.items()
                ],
            }
        ],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    log = folder / "prometheus.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                binary("prometheus"),
                f"--config.file={folder / 'prometheus.yaml'}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    server = Prometheus(f"http://127.0.0.1:{port}")
    try:
        wait_until(server.up, what="Prometheus answers")
        yield server
    finally:
        process.terminate()
        process.wait(30)
