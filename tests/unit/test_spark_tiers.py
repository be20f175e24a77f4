"""The tiers of a live job: what its pods are told, which secrets fill which variables, and what is refused."""

import json
from typing import Any

import pytest
from support_spark import driver_request, live_spec

from sparkiot_operator.resource.translate import InvalidSpecError, to_job
from sparkiot_operator.spark.manifests import build_objects
from sparkiot_operator.spark.restart_fields import changed_fields, restart_fields
from sparkiot_operator.spark.tiers import blocks_prefix, secret_keys, tier_configs, tiers_document
from sparkiot_policies.allocation import Tier
from sparkiot_tiers.cold import Bucket
from sparkiot_tiers.config import ArchiveConfig, ColdConfig, HotConfig, S3Secrets, Secret, WarmConfig, parse

Json = dict[str, Any]


def secret(name: str, key: str) -> Json:
    return {"secretKeyRef": {"name": name, "key": key}}


TIERS: Json = {
    "hot": {"redis": {"urlFrom": secret("redis", "url"), "ceiling": "2Gi", "ttl": "30m"}},
    "warm": {"volume": {"hostPath": "/mnt/nvme"}},
    "cold": {
        "s3": {
            "bucket": "shuffle",
            "prefix": "jobs/",
            "endpoint": "http://s3.storage:8333",
            "region": "eu-west-1",
            "timeout": "5s",
            "credentialsFrom": {
                "accessKeyId": secret("s3", "id"),
                "secretAccessKey": secret("s3", "key"),
                "sessionToken": secret("s3", "token"),
            },
        }
    },
    "archive": {"s3": {"bucket": "shuffle-archive"}},
}
FULL = live_spec(shuffle={"tiers": TIERS})


def test_a_job_without_tiers_tells_nothing() -> None:
    assert tiers_document(live_spec()) is None
    objects = build_objects(driver_request(live_spec()))
    assert "shuffle" not in json.loads(objects.config_map["data"]["job.json"])


def test_stated_tiers_become_what_the_stores_read() -> None:
    own = (Secret(f"SPARKIOT_TIER_COLD_{name}") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"))
    assert tier_configs(FULL) == (
        HotConfig(Secret("SPARKIOT_TIER_HOT_URL"), ttl_seconds=1800, ceiling_bytes=2 << 30, timeout_seconds=10),
        WarmConfig("/mnt/nvme"),
        ColdConfig(Bucket("shuffle", "jobs/", "http://s3.storage:8333", "eu-west-1"), S3Secrets(*own), 5.0),
        ArchiveConfig(Bucket("shuffle-archive"), None, "GLACIER_IR", 10.0),
    )
    document = json.loads(build_objects(driver_request(FULL)).config_map["data"]["job.json"])["shuffle"]
    assert parse(document) == tier_configs(FULL)


def test_a_folder_that_is_mounted_already_is_used_where_it_is() -> None:
    spec = live_spec(shuffle={"tiers": {"warm": {"volume": {"mountPath": "/blocks"}}}})
    assert tier_configs(spec) == (WarmConfig("/blocks"),)
    pod = build_objects(driver_request(spec)).pod
    assert not [volume for volume in pod["spec"]["volumes"] if "hostPath" in volume]


def test_secrets_reach_driver_and_executors_by_reference_only() -> None:
    objects = build_objects(driver_request(FULL))
    wanted = {
        "SPARKIOT_TIER_HOT_URL": ("redis", "url"),
        "SPARKIOT_TIER_COLD_ACCESS_KEY_ID": ("s3", "id"),
        "SPARKIOT_TIER_COLD_SECRET_ACCESS_KEY": ("s3", "key"),
        "SPARKIOT_TIER_COLD_SESSION_TOKEN": ("s3", "token"),
    }
    assert {env: (key.name, key.key) for env, key in secret_keys(FULL).items()} == wanted
    (container,) = objects.pod["spec"]["containers"]
    assert {
        variable["name"]: tuple(variable["valueFrom"]["secretKeyRef"].values())
        for variable in container["env"]
        if variable["name"].startswith("SPARKIOT_TIER_")
    } == wanted
    properties = objects.config_map["data"]["spark.properties"]
    for env, (name, key) in wanted.items():
        assert f"spark.kubernetes.executor.secretKeyRef.{env}={name}:{key}\n" in properties


def test_the_drivers_pod_has_the_warm_folder_too() -> None:
    pod = build_objects(driver_request(FULL)).pod["spec"]
    assert {"name": "sparkiot-warm", "hostPath": {"path": "/mnt/nvme"}} in pod["volumes"]
    assert {"name": "sparkiot-warm", "mountPath": "/mnt/nvme"} in pod["containers"][0]["volumeMounts"]


def test_other_tiers_restart_the_driver_and_are_named() -> None:
    without_cold = live_spec(shuffle={"tiers": {name: tier for name, tier in TIERS.items() if name != "cold"}})
    assert changed_fields(restart_fields(FULL), without_cold) == ["spec.shuffle.tiers.cold"]


def test_blocks_of_a_job_lie_below_its_uid() -> None:
    assert blocks_prefix("iot", "0b1c-2d") == "iot/0b1c-2d/"


S3 = {"bucket": "shuffle"}


@pytest.mark.parametrize(
    ("tiers", "field", "said"),
    [
        ({"warm": {"volume": {}}}, "warm.volume", "exactly one of hostPath and mountPath"),
        ({"warm": {"volume": {"hostPath": "/a", "mountPath": "/b"}}}, "warm.volume", "exactly one of"),
        ({"warm": {"volume": {"hostPath": "mnt/nvme"}}}, "warm.volume.hostPath", "'^/'"),
        ({"hot": {"redis": {"url": "redis://:hunter2@host"}}}, "hot.redis.url", "Extra inputs"),
        ({"cold": {"s3": {"bucket": "Shuffle"}}}, "cold.s3.bucket", "pattern"),
        ({"cold": {"s3": {**S3, "prefix": "jobs"}}}, "cold.s3.prefix", "pattern"),
        ({"cold": {"s3": {**S3, "endpoint": "http://id:hunter2@s3"}}}, "cold.s3.endpoint", "pattern"),
        ({"cold": {"s3": {**S3, "credentialsFrom": {"accessKeyId": secret("s", "k")}}}}, "secretAccessKey", "required"),
        ({"cold": {"s3": {**S3, "storageClass": "GLACIER"}}}, "cold.s3.storageClass", "Extra inputs"),
        ({"archive": {"s3": {**S3, "storageClass": "STANDARD"}}}, "archive.s3.storageClass", "'GLACIER_IR'"),
    ],
)
def test_what_is_no_tier_is_refused_and_named(tiers: Json, field: str, said: str) -> None:
    with pytest.raises(InvalidSpecError) as caught:
        live_spec(shuffle={"tiers": tiers})
    assert any(field in p.field and said in p.message for p in caught.value.problems), caught.value
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("storage_class", "chosen"), [("GLACIER_IR", True), ("GLACIER", False), ("DEEP_ARCHIVE", False)]
)
def test_auto_never_chooses_what_must_be_restored(storage_class: str, chosen: bool) -> None:
    stated = {"archive": {"s3": {**S3, "storageClass": storage_class}}}
    limits = to_job("iot/city", live_spec(shuffle={"tiers": stated}), live=True).limits
    assert (Tier.ARCHIVE in limits.tiers) is chosen
    named = to_job("iot/city", live_spec(shuffle={"tier": "Archive", "tiers": stated}), live=True).limits
    assert named.tiers == (Tier.ARCHIVE,)
