"""The tiers of a live job's tiered shuffle: what its pods are told, and where its secrets come from. Pure.

No secret passes through here: the document names environment variables, and Kubernetes fills them from the job's
secrets, in the driver and, through Spark's own properties, in the executors.
"""

from collections.abc import Iterator
from typing import Any

from sparkiot_operator.resource.base import seconds
from sparkiot_operator.resource.shuffle import S3Credentials, S3Tier, SecretKey, SecretSource
from sparkiot_operator.resource.spec import SparkIoTJobSpec
from sparkiot_policies.allocation import parse_memory
from sparkiot_tiers.cold import Bucket
from sparkiot_tiers.config import (
    ArchiveConfig,
    ColdConfig,
    HotConfig,
    S3Secrets,
    Secret,
    TierConfig,
    WarmConfig,
    render,
)
from sparkiot_tiers.store import ARCHIVE, COLD, HOT

MIB = 1 << 20
_S3 = {"access_key_id": "ACCESS_KEY_ID", "secret_access_key": "SECRET_ACCESS_KEY", "session_token": "SESSION_TOKEN"}
_URL = "URL"
_EXECUTOR_VARIABLE = "spark.kubernetes.executor.secretKeyRef."


def tier_configs(spec: SparkIoTJobSpec) -> tuple[TierConfig, ...]:
    """The tiers that the job states, from the fastest on; their credentials are named by environment variables."""
    stated, found = spec.shuffle.tiers, list[TierConfig]()
    if stated.hot is not None:
        redis = stated.hot.redis
        found.append(
            HotConfig(
                Secret(env=variables(HOT) + _URL),
                ttl_seconds=seconds(redis.ttl),
                ceiling_bytes=parse_memory(redis.ceiling) * MIB if redis.ceiling is not None else None,
                timeout_seconds=seconds(redis.timeout),
            )
        )
    if stated.warm is not None:
        volume = stated.warm.volume
        found.append(WarmConfig(volume.host_path or volume.mount_path or ""))
    if stated.cold is not None:
        s3 = stated.cold.s3
        found.append(ColdConfig(_bucket(s3), _secrets(COLD, s3.credentials_from), seconds(s3.timeout)))
    if stated.archive is not None:
        archive = stated.archive.s3
        own = _secrets(ARCHIVE, archive.credentials_from)
        found.append(ArchiveConfig(_bucket(archive), own, archive.storage_class, seconds(archive.timeout)))
    return tuple(found)


def tiers_document(spec: SparkIoTJobSpec) -> dict[str, Any] | None:
    """What driver and executors read; None for a job that states no tiers."""
    configs = tier_configs(spec)
    return render(configs) if configs else None


def secret_keys(spec: SparkIoTJobSpec) -> dict[str, SecretKey]:
    """The secret key that fills each environment variable."""
    tiers, found = spec.shuffle.tiers, dict[str, SecretKey]()
    if tiers.hot is not None:
        found[variables(HOT) + _URL] = tiers.hot.redis.url_from.secret_key_ref
    for name, tier in ((COLD, tiers.cold), (ARCHIVE, tiers.archive)):
        if tier is not None and tier.s3.credentials_from is not None:
            found |= {env: source.secret_key_ref for env, source in _sources(name, tier.s3.credentials_from)}
    return found


def cold_variables(spec: SparkIoTJobSpec) -> dict[str, str]:
    """The variables of the cold tier's credentials by what they hold, such as ACCESS_KEY_ID; none for a role."""
    cold, start = spec.shuffle.tiers.cold, variables(COLD)
    if cold is None or cold.s3.credentials_from is None:
        return {}
    return {env.removeprefix(start): env for env, _ in _sources(COLD, cold.s3.credentials_from)}


def driver_environment(spec: SparkIoTJobSpec) -> list[dict[str, Any]]:
    """Variables of the driver's container."""
    return [
        {"name": env, "valueFrom": {"secretKeyRef": {"name": key.name, "key": key.key}}}
        for env, key in secret_keys(spec).items()
    ]


def executor_environment(spec: SparkIoTJobSpec) -> dict[str, str]:
    """Spark properties that give executors the same variables."""
    return {f"{_EXECUTOR_VARIABLE}{env}": f"{key.name}:{key.key}" for env, key in secret_keys(spec).items()}


def host_path(spec: SparkIoTJobSpec) -> str | None:
    """The warm tier's folder on the nodes; None where there is none, or where the templates mount one."""
    warm = spec.shuffle.tiers.warm
    return warm.volume.host_path if warm is not None else None


def variables(tier: str) -> str:
    """What the names of a tier's environment variables begin with."""
    return f"SPARKIOT_TIER_{tier.upper()}_"


def blocks_prefix(namespace: str, uid: str) -> str:
    """What the keys of all blocks of a job begin with."""
    return f"{namespace}/{uid}/"


def _bucket(s3: S3Tier) -> Bucket:
    return Bucket(name=s3.bucket, prefix=s3.prefix or "", endpoint=s3.endpoint, region=s3.region)


def _sources(tier: str, credentials: S3Credentials) -> Iterator[tuple[str, SecretSource]]:
    for field, name in _S3.items():
        source = getattr(credentials, field)
        if source is not None:
            yield variables(tier) + name, source


def _secrets(tier: str, credentials: S3Credentials | None) -> S3Secrets | None:
    if credentials is None:
        return None
    return S3Secrets(*(Secret(env=env) for env, _ in _sources(tier, credentials)))
