"""A live job on real shuffle tiers: secrets by reference, admission, failover while it runs, and what deletion leaves.

The tiers' servers run on this machine: on its loopback, which pods of the embedded cluster reach, or for the pods of
another one where SPARKIOT_SERVERS_HOST says.
"""

import base64
import json
import os
from pathlib import Path

import pytest
import redis
from support_live import Json, LiveCluster, LiveJob
from support_operator import free_port
from support_tiers import HOST, KEY, PASSWORD, SECRET, redis_server, s3_server

pytestmark = [pytest.mark.timeout(1500), pytest.mark.live]
given = os.environ.get("SPARKIOT_LIVE") == "given"
needs_servers = pytest.mark.skipif(
    given and "SPARKIOT_SERVERS_HOST" not in os.environ, reason="SPARKIOT_SERVERS_HOST is not set: pods reach no server"
)


def secret(name: str, **content: str) -> Json:
    data = {field: base64.b64encode(text.encode()).decode() for field, text in content.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


def key(name: str, field: str) -> Json:
    return {"secretKeyRef": {"name": name, "key": field}}


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@needs_servers
def test_tiers_from_admission_over_failover_to_deletion(cluster: LiveCluster, tmp_path: Path) -> None:
    job, port = LiveJob(cluster, "tiers"), free_port()
    job.prepare()
    warm = cluster.shared / "tiers-blocks"
    warm.mkdir()
    warm.chmod(0o777)  # containers write as a user of their own
    for name in ("redis", "s3"):
        (tmp_path / name).mkdir()
    with s3_server(tmp_path / "s3") as cold:
        endpoint = cold.address.rpartition("/")[0]
        own = {"accessKeyId": key("s3", "id"), "secretAccessKey": key("s3", "key")}
        tiers = {
            "hot": {"redis": {"urlFrom": key("redis", "url"), "timeout": "2s"}},
            "warm": {"volume": {"hostPath": str(warm)}},
            "cold": {"s3": {"bucket": "no-such-bucket", "endpoint": endpoint, "credentialsFrom": own}},
        }
        url = f"redis://:{PASSWORD}@{HOST}:{port}/0"
        cluster("apply", "-f", "-", stdin=(secret("redis", url=url), secret("s3", id=KEY, key=SECRET)))
        with redis_server(tmp_path / "redis", port=port):
            job.load(lambda _: 10.0, 900.0)
            scaling = {"interval": "3s", "executors": {"min": 1, "max": 1}, "memory": {"min": "1Gi", "max": "1Gi"}}
            shuffle = {"tier": "Hot", "compression": "ZSTD", "tiers": tiers}
            job.apply(lookup_ms=0.0, scaling=scaling, shuffle=shuffle)
            # The bucket that does not exist is told before anything has run.
            cluster.wait(lambda: "ShuffleTierFailed" in cluster.reasons("tiers"), what="the bucket is told of")
            assert job.batches() == 0
            condition = cluster.condition("tiers", "ShuffleTiersReady")
            assert (condition["status"], condition["reason"]) == ("False", "ColdMisconfigured"), condition
            assert "s3://no-such-bucket/" in condition["message"]
            used = cluster.wait(lambda: cluster.status("tiers").get("shuffle"), what="a batch went through the tiers")
            assert (used["wantedTier"], used["tier"], used["compression"]) == ("Hot", "Hot", "ZSTD")
            assert [failing["tier"] for failing in used["failing"]] == ["Cold"]
            # No blocks, only the driver's mark, by which tasks tell that this folder is the driver's.
            assert [path.name for path in files(warm)] == ["driver"]
        # Redis has died: batches go on, on the next tier that works.
        cluster.wait(lambda: cluster.status("tiers")["shuffle"]["tier"] == "Warm", what="batches use the warm tier")
        assert cluster.condition("tiers", "ShuffleTiersReady")["reason"] == "HotUnavailable"
        assert cluster.status("tiers")["shuffle"]["wantedTier"] == "Hot"
        before = job.batches()
        cluster.wait(lambda: job.batches() > before + 1, what="batches go on")
        with redis_server(tmp_path / "redis", port=port):
            cluster.wait(lambda: cluster.status("tiers")["shuffle"]["tier"] == "Hot", what="Redis is used again")
            check = job.settle()
            assert (check.missing, check.duplicated) == ((), ())
            told = json.dumps([cluster.job("tiers"), cluster.events("tiers"), cluster.pods("tiers")])
            told += (cluster.folder / "operator.log").read_text()
            assert not any(text in told for text in (PASSWORD, SECRET))
            # What a driver that died has left, as one that stops deletes its own.
            uid = cluster.job("tiers")["metadata"]["uid"]
            client = redis.Redis(HOST, port, password=PASSWORD)
            client.set(f"sparkiot:{{{cluster.namespace}/{uid}/r0/b1/m0}}", b"left")
            client.set("sparkiot:{another/job/r0/b1/m0}", b"stays")
            cluster("delete", "sij", "tiers", "--timeout=240s")
            assert [name.decode() for name in client.scan_iter()] == ["sparkiot:{another/job/r0/b1/m0}"]
            assert files(warm) == []
            assert "ShuffleBlocksLeft" in cluster.reasons("tiers"), (
                "nobody can say what is in a bucket that is not there"
            )
