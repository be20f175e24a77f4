"""The jobs that are measured: the example job, whose rows wait for a look-up, and one whose working set grows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparkiot_operator.embedded import IMAGE
from sparkiot_operator.live_demo import shared_folder
from sparkiot_operator.resource import API_VERSION, KIND
from sparkiot_operator.spark.naming import CONTAINER, EXECUTOR_CONTAINER

Json = dict[str, Any]
NAMESPACE = "calibrate"
RUNTIME = "local:///opt/sparkiot/sparkiot_driver"
TRIGGER_S = 1.0
LOOKUP_MS = 10.0
PARTITIONS = 12
"""Divides evenly among up to four executors, so that what is measured is not the remainder."""
ROW_KIB = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFiles:
    """Where a job's data lie: a folder that driver and executors see at the same path."""

    path: Path

    @property
    def landing(self) -> Path:
        return self.path / "landing"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint"


def example_job(files: JobFiles, *, spark_version: str, memory: str, most_executors: int) -> Json:
    """Counts per district and window: two shuffles and two results a batch, and a look-up for each row."""
    arguments = [
        *("--landing", str(files.landing)),
        *("--sink", str(files.path / "sink")),
        *("--checkpoint", str(files.checkpoint)),
        *("--trigger", f"{TRIGGER_S:g} seconds"),
        *("--partitions", str(PARTITIONS)),
        *("--lookup-ms", f"{LOOKUP_MS:g}"),
    ]
    return _job(
        "example",
        files,
        file=f"{RUNTIME}/examples/traffic_windows.py",
        arguments=arguments,
        spark_version=spark_version,
        memory=memory,
        most_executors=most_executors,
    )


def working_set_job(files: JobFiles, *, spark_version: str, memory: str) -> Json:
    """Batches whose rows are sorted, or held in a list, on one executor."""
    arguments = [
        *("--landing", str(files.landing)),
        *("--checkpoint", str(files.checkpoint)),
        *("--trigger", f"{TRIGGER_S:g} seconds"),
        *("--row-kib", str(ROW_KIB)),
    ]
    return _job(
        "working-set",
        files,
        file=f"{RUNTIME}/probes/working_set.py",
        arguments=arguments,
        spark_version=spark_version,
        memory=memory,
        most_executors=1,
    )


def _job(
    name: str,
    files: JobFiles,
    *,
    file: str,
    arguments: Sequence[str],
    spark_version: str,
    memory: str,
    most_executors: int,
) -> Json:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "backend": "Spark",
            "application": {
                "image": IMAGE,
                "sparkVersion": spark_version,
                "mainApplicationFile": file,
                "arguments": list(arguments),
                "checkpointLocation": str(files.checkpoint),
                "driver": {"template": shared_folder(files.path, CONTAINER)},
                "executor": {"template": shared_folder(files.path, EXECUTOR_CONTAINER)},
            },
            # The program pins the number of executors; the rule only has to be there.
            "policy": {"name": "Rate"},
            "scaling": {
                "interval": "1s",
                "metricsWindow": "10s",
                "executors": {"min": 1, "max": most_executors, "override": 1},
                "memory": {"min": memory, "max": memory},
                "restart": {"minInterval": "1s"},
            },
            "restartPolicy": {"backoff": "1s"},
        },
    }
