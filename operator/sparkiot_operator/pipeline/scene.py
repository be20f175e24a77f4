"""What the demo of the whole pipe runs: its folder, its gateway, its job, and the load with the same burst twice.

The job asks a device registry for each message, which here is a wait: it needs more task slots, not more cores, when
the load rises, and shows on two cores what it would show on many.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sparkiot_edge.mqtt import Broker
from sparkiot_operator import embedded
from sparkiot_operator.embedded import IMAGE
from sparkiot_operator.fleet.load import FleetLoad
from sparkiot_operator.fleet.readings import Devices
from sparkiot_operator.fleet.sender import Fleet
from sparkiot_operator.live_demo import shared_folder
from sparkiot_operator.resource import API_VERSION, GROUP, KIND, PLURAL, VERSION
from sparkiot_operator.spark.naming import CONTAINER, EXECUTOR_CONTAINER
from sparkiot_sim.generators import Kind
from sparkiot_sim.workload import Workload

Json = dict[str, Any]
NAMESPACE = "iot"
NAME = "city-traffic"
SIGNAL_TOPIC = "iot/metadata"
GROUP_NAME = "city"
DEVICES = 2000
RATE = 1.5
"""Messages/s without a burst: so few that what a batch costs in any case is most of its time."""
LOOKUP_MS = 60.0
"""Of one message: an executor does 17 of them a second, beside that cost."""
TRIGGER_S = 6.0
"""Long enough for a small batch on a machine that is busy with other things, too."""
PARTITIONS = 6
"""Tasks of a batch: those that wait go to executors that come while it runs."""
FACTOR = 18.0
"""27 messages/s: one executor falls behind, three keep up."""
BURST_S = 30.0
INTERVAL_S = 10.0
"""Between two decisions, the default of a job: without the edge a burst waits for the next one."""
REST_S = 10.0
"""For which the job must have been at rest before a burst, at the least; up to INTERVAL_S more are drawn, lest all
bursts come at the same time after a decision."""
MOST_CALM_S = 150.0
"""After which the burst comes anyhow, and does not count: a machine that is busy with other things may not come to
rest. The first rest comes when Spark has run for a minute and three batches more."""
AFTERMATH_S = 10.0
MOST_S = 600.0
REPEAT = 0.02
TARGET_S = 14.0
"""What a burst that is met in time keeps: two triggers, and a batch of the full load on three executors."""
HORIZON_S = 15.0
"""About what an executor takes to start here."""
JAVA_OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""For processes that live for minutes and share two cores: an executor that starts otherwise takes the processor from
the batch that waits for it."""


class Folder(embedded.Folder):
    """Where the demo keeps what it makes; an earlier demo's files are removed when it starts."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.data = self.path / "job"
        self.landing, self.sink = self.data / "landing", self.data / "sink"
        self.checkpoint = self.data / "checkpoint"
        self.broker = self.path / "broker"
        self.gateway_log = self.path / "gateway.log"

    def prepare(self) -> None:
        super().prepare()
        self.gateway_log.unlink(missing_ok=True)
        for folder in (self.data, self.broker):
            shutil.rmtree(folder, ignore_errors=True)
        for folder in (self.landing, self.sink, self.checkpoint, self.broker):
            folder.mkdir(parents=True)

    def landed(self) -> int:
        """Messages in the landing folder, those that came twice included."""
        return sum(file.read_bytes().count(b"\n") for file in self.landing.glob("date=*/hour=*/*.jsonl"))


def gateway_arguments(folder: Folder, broker_url: str) -> list[str]:
    return [
        "edge-gateway",
        *("--broker", broker_url),
        *("--group", f"{GROUP_NAME}=city/+/telemetry"),
        *("--signal-topic", SIGNAL_TOPIC),
        *("--source", "demo"),
        *("--horizon-seconds", f"{HORIZON_S:g}"),
        *("--publish-seconds", "1"),
        *("--forward", "folder"),
        *("--landing-folder", str(folder.landing)),
    ]


def fleet(broker_url: str, *, first_id: int) -> Fleet:
    """Devices with an even load, so that two bursts are the same."""
    level = Workload(name="even", times=np.array([0.0]), rates=np.array([RATE]), end=1.0)
    devices = Devices(Kind.SMART_CITY, count=DEVICES, seed=1)
    return Fleet(Broker(url=broker_url), devices, FleetLoad(level), first_id=first_id, repeat=REPEAT)


def job_path() -> str:
    return f"/apis/{GROUP}/{VERSION}/namespaces/{NAMESPACE}/{PLURAL}/{NAME}"


def manifests(live: Json) -> Iterator[tuple[str, Json]]:
    """API path and object, in the order in which they are applied. live: see ``job``."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    yield f"/api/v1/namespaces/{NAMESPACE}", namespace
    yield job_path(), live


def job(folder: Folder, *, policy: str, spark_version: str, broker_url: str | None) -> Json:
    """The live job; it follows no signals where broker_url is None."""
    edge = {"edge": {"signal": {"mqtt": {"url": broker_url, "topic": f"{SIGNAL_TOPIC}/{GROUP_NAME}"}}}}
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
                    *("--trigger", f"{TRIGGER_S:g} seconds"),
                    *("--partitions", f"{PARTITIONS}"),
                    *("--lookup-ms", f"{LOOKUP_MS:g}"),
                    *("--late", "1 minute"),
                ],
                "sparkConf": {f"spark.{who}.extraJavaOptions": JAVA_OPTIONS for who in ("driver", "executor")},
                "checkpointLocation": str(folder.checkpoint),
                "driver": {"template": shared_folder(folder.data, CONTAINER)},
                "executor": {"template": shared_folder(folder.data, EXECUTOR_CONTAINER)},
            },
            "objectives": {"scenario": "SmartCityBudget", "latency": {"target": f"{TARGET_S:g}s", "quantile": 0.9}},
            "scaling": {
                "interval": f"{INTERVAL_S:g}s",
                "metricsWindow": "24s",
                "executors": {"min": 1, "max": 3},
                "memory": {"min": "1Gi", "max": "1Gi"},
                "scaleDown": {"stabilization": "12s", "cooldown": "4s"},
            },
            "policy": {"name": policy},
            **(edge if broker_url else {}),
        },
    }
