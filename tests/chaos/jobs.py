"""The jobs of a run: simulated ones that decide every second, and a live one that uses every server there is."""

import base64
import json
import zipfile
from pathlib import Path
from typing import Any

from support_live import LiveJob
from support_operator import simulated_job
from support_tiers import BUCKET, HOST, KEY, PASSWORD, SECRET

from chaos.servers import TOPIC, Servers
from sparkiot_policies import library

Json = dict[str, Any]
LIVE = "live"
POLICY = "brought"
"""The policy that lies in the operators' folder, and the job that it decides for."""
SIMULATED = ("city", "harbour", POLICY)
ROWS_PER_S = 10.0
TRIES = 1000
"""More than any run kills: what is tried here is not the end of a job's attempts."""


def simulated(name: str) -> Json:
    """A cycle takes a second of real time."""
    policy = name if name == POLICY else "Rate"
    return simulated_job(name, spec={"policy": {"name": policy}}, simulation={"acceleration": 10})


def live(job: LiveJob, servers: Servers | None, warm: Path) -> Json:
    """One executor, blocks in Redis (S3 and a folder behind it), signals by MQTT. servers: None leaves them out."""
    spec: Json = {
        "scaling": {"interval": "2s", "executors": {"min": 1, "max": 1}, "memory": {"min": "1Gi", "max": "1Gi"}},
        "restartPolicy": {"backoff": "1s", "maxRetries": TRIES, "resetAfter": "15s"},
    }
    if servers is not None:
        own = {"accessKeyId": key("s3", "id"), "secretAccessKey": key("s3", "key")}
        tiers = {
            "hot": {"redis": {"urlFrom": key("redis", "url"), "timeout": "2s"}},
            "warm": {"volume": {"hostPath": str(warm)}},
            "cold": {
                "s3": {"bucket": BUCKET, "endpoint": servers.s3_endpoint, "credentialsFrom": own, "timeout": "2s"}
            },
        }
        spec["shuffle"] = {"tier": "Hot", "compression": "LZ4", "tiers": tiers}
        spec["edge"] = {"signal": {"mqtt": {"url": servers.broker.url, "topic": TOPIC}, "staleAfter": "8s"}}
    manifest = job.manifest(lookup_ms=0.0, **spec)
    manifest["spec"]["application"]["sparkConf"]["spark.executor.maxNumFailures"] = str(TRIES)
    return manifest


def secrets(servers: Servers) -> tuple[Json, Json]:
    url = f"redis://:{PASSWORD}@{HOST}:{servers.redis_port}/0"
    return secret("redis", url=url), secret("s3", id=KEY, key=SECRET)


def secret(name: str, **content: str) -> Json:
    data = {field: base64.b64encode(text.encode()).decode() for field, text in content.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


def key(name: str, field: str) -> Json:
    return {"secretKeyRef": {"name": name, "key": field}}


def write_policy(target: Path, *, source: str = "default") -> str:
    """A shipped policy as an archive; its digest. The file appears whole."""
    folder = library.locate(source)
    fresh = target.with_name(f".{target.name}")
    with zipfile.ZipFile(fresh, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
    fresh.rename(target)
    return str(json.loads((folder / "manifest.json").read_text())["digest"])


SETTLE_S = 240.0
"""For the rows that are on their way when no more come."""
