"""Which tiers a job has: a document that the operator writes, and the driver and executors read.

It holds no secret: a credential is named, as an environment variable or a file that holds it::

    {"tiers": [
      {"tier": "Hot", "url": {"env": "SPARKIOT_TIER_HOT_URL"}, "ttlSeconds": 3600, "ceilingBytes": 1073741824},
      {"tier": "Warm", "path": "/mnt/nvme"},
      {"tier": "Cold", "bucket": "shuffle", "prefix": "jobs/", "endpoint": "http://s3:8333", "region": "us-east-1",
       "credentials": {"accessKeyId": {"env": "…"}, "secretAccessKey": {"file": "/run/secrets/key"}}},
      {"tier": "Archive", "bucket": "shuffle", "storageClass": "GLACIER_IR"}
    ]}

``timeoutSeconds`` may stand beside any of Hot, Cold and Archive. A tier that the job does not have is left out.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, ClassVar, Mapping, NamedTuple, Union

from sparkiot_tiers.archive import AT_ONCE, CLASSES, ArchiveStore
from sparkiot_tiers.cold import Bucket, ColdStore, Credentials
from sparkiot_tiers.errors import TierDenied
from sparkiot_tiers.hot import HotStore
from sparkiot_tiers.store import ARCHIVE, COLD, HOT, TIERS, WARM, BlockStore
from sparkiot_tiers.warm import WarmStore

TTL_SECONDS = 3600.0
TIMEOUT_SECONDS = 10.0


class InvalidTiers(ValueError):
    """The document is not one that the operator writes; the message says where."""


class Secret(NamedTuple):
    """Where a credential is. Exactly one of both."""

    env: str | None = None
    file: str | None = None

    def read(self, tier: str, environ: Mapping[str, str]) -> str:
        """The credential. Raises TierDenied when it is not there."""
        if self.env is not None:
            found = environ.get(self.env, "")
        else:
            try:
                found = Path(self.file or "").read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                found = ""
        if not found:
            place = f"the environment variable {self.env}" if self.env is not None else f"the file {self.file}"
            raise TierDenied(tier, f"{place} holds no credential for tier {tier}; see that its secret is there")
        return found


class S3Secrets(NamedTuple):
    access_key_id: Secret
    secret_access_key: Secret
    session_token: Secret | None = None


@dataclass(frozen=True)
class HotConfig:
    """url is a secret, as it may hold a password."""

    url: Secret
    ttl_seconds: float = TTL_SECONDS
    ceiling_bytes: int | None = None
    timeout_seconds: float = TIMEOUT_SECONDS

    tier: ClassVar[str] = HOT


@dataclass(frozen=True)
class WarmConfig:
    path: str

    tier: ClassVar[str] = WARM


@dataclass(frozen=True)
class ColdConfig:
    """credentials None: those that boto3 finds by itself."""

    bucket: Bucket
    credentials: S3Secrets | None = None
    timeout_seconds: float = TIMEOUT_SECONDS

    tier: ClassVar[str] = COLD


@dataclass(frozen=True)
class ArchiveConfig:
    bucket: Bucket
    credentials: S3Secrets | None = None
    storage_class: str = AT_ONCE
    timeout_seconds: float = TIMEOUT_SECONDS

    tier: ClassVar[str] = ARCHIVE


TierConfig = Union[HotConfig, WarmConfig, ColdConfig, ArchiveConfig]


def open_store(config: TierConfig, environ: Mapping[str, str] = os.environ) -> BlockStore:
    """The tier's store; it connects when it is used. Raises TierDenied when a credential is not where it should be."""
    if isinstance(config, WarmConfig):
        return WarmStore(config.path)
    if isinstance(config, HotConfig):
        return HotStore(
            config.url.read(HOT, environ),
            ttl_seconds=config.ttl_seconds,
            ceiling_bytes=config.ceiling_bytes,
            timeout_seconds=config.timeout_seconds,
        )
    credentials = None
    if config.credentials is not None:
        key, secret, token = config.credentials
        credentials = Credentials(
            key.read(config.tier, environ),
            secret.read(config.tier, environ),
            token.read(config.tier, environ) if token is not None else None,
        )
    if isinstance(config, ArchiveConfig):
        return ArchiveStore(
            config.bucket,
            credentials,
            storage_class=config.storage_class,
            timeout_seconds=config.timeout_seconds,
        )
    return ColdStore(config.bucket, credentials, timeout_seconds=config.timeout_seconds)


def parse(document: object) -> tuple[TierConfig, ...]:
    """The tiers of a document that was read from JSON, from the fastest on. Raises InvalidTiers."""
    found: dict[str, TierConfig] = {}
    for number, fields in enumerate(_Fields(document, "the document").array("tiers")):
        taken = _Fields(fields, f"tiers[{number}]")
        tier = taken.text("tier")
        if tier not in _READERS:
            raise InvalidTiers(f"tiers[{number}].tier is {tier!r}; it must be one of {', '.join(TIERS)}")
        if tier in found:
            raise InvalidTiers(f"tiers[{number}]: tier {tier} stands there twice")
        found[tier] = _READERS[tier](taken)
        taken.done()
    return tuple(found[tier] for tier in TIERS if tier in found)


def render(configs: tuple[TierConfig, ...]) -> dict[str, Any]:
    """The document that ``parse`` reads."""
    return {"tiers": [_rendered(config) for config in configs]}


def _hot(fields: _Fields) -> HotConfig:
    return HotConfig(
        url=_secret(fields.child("url")),
        ttl_seconds=fields.number("ttlSeconds", TTL_SECONDS),
        ceiling_bytes=int(fields.number("ceilingBytes", 0)) or None,
        timeout_seconds=fields.number("timeoutSeconds", TIMEOUT_SECONDS),
    )


def _warm(fields: _Fields) -> WarmConfig:
    path = fields.text("path")
    if not path.startswith("/"):
        raise InvalidTiers(f"{fields.place}.path is {path!r}; it must be absolute")
    return WarmConfig(path)


def _cold(fields: _Fields) -> ColdConfig:
    return ColdConfig(_bucket(fields), _secrets(fields), fields.number("timeoutSeconds", TIMEOUT_SECONDS))


def _archive(fields: _Fields) -> ArchiveConfig:
    storage_class = fields.text("storageClass", AT_ONCE)
    if storage_class not in CLASSES:
        raise InvalidTiers(f"{fields.place}.storageClass is {storage_class!r}; it must be one of {', '.join(CLASSES)}")
    timeout = fields.number("timeoutSeconds", TIMEOUT_SECONDS)
    return ArchiveConfig(_bucket(fields), _secrets(fields), storage_class, timeout)


_READERS: dict[str, Callable[[Any], TierConfig]] = {HOT: _hot, WARM: _warm, COLD: _cold, ARCHIVE: _archive}


def _bucket(fields: _Fields) -> Bucket:
    return Bucket(
        name=fields.text("bucket"),
        prefix=fields.text("prefix", ""),
        endpoint=fields.text("endpoint", "") or None,
        region=fields.text("region", "") or None,
    )


def _secrets(fields: _Fields) -> S3Secrets | None:
    if not fields.has("credentials"):
        return None
    inner = fields.child("credentials")
    token = _secret(inner.child("sessionToken")) if inner.has("sessionToken") else None
    secrets = S3Secrets(_secret(inner.child("accessKeyId")), _secret(inner.child("secretAccessKey")), token)
    inner.done()
    return secrets


def _secret(fields: _Fields) -> Secret:
    secret = Secret(fields.text("env", "") or None, fields.text("file", "") or None)
    fields.done()
    if (secret.env is None) == (secret.file is None):
        raise InvalidTiers(f"{fields.place} must hold either env or file")
    return secret


class _Fields:
    """One object of the document: each field is taken once, and none may be left."""

    def __init__(self, value: object, place: str) -> None:
        if not isinstance(value, dict):
            raise InvalidTiers(f"{place} must be an object")
        self.place = place
        self._rest = dict(value)

    def has(self, name: str) -> bool:
        return name in self._rest

    def text(self, name: str, default: str | None = None) -> str:
        found = self._rest.pop(name, default)
        if not isinstance(found, str) or (default is None and not found):
            raise InvalidTiers(f"{self.place}.{name} must be a text")
        return found

    def number(self, name: str, default: float) -> float:
        found = self._rest.pop(name, None)
        if found is None:
            return default
        if isinstance(found, bool) or not isinstance(found, (int, float)) or found <= 0:
            raise InvalidTiers(f"{self.place}.{name} must be a number above 0")
        return found

    def array(self, name: str) -> list[object]:
        found = self._rest.pop(name, None)
        if not isinstance(found, list):
            raise InvalidTiers(f"{self.place}.{name} must be an array")
        return found

    def child(self, name: str) -> _Fields:
        return _Fields(self._rest.pop(name, None), f"{self.place}.{name}")

    def done(self) -> None:
        if self._rest:
            raise InvalidTiers(f"{self.place} has unknown fields: {', '.join(sorted(self._rest))}")


def _rendered(config: TierConfig) -> dict[str, Any]:
    if isinstance(config, WarmConfig):
        return {"tier": WARM, "path": config.path}
    timeout = {"timeoutSeconds": config.timeout_seconds}
    if isinstance(config, HotConfig):
        ceiling = {"ceilingBytes": config.ceiling_bytes} if config.ceiling_bytes else {}
        return {"tier": HOT, "url": _named(config.url), "ttlSeconds": config.ttl_seconds, **ceiling, **timeout}
    bucket = config.bucket
    fields = {"bucket": bucket.name, "prefix": bucket.prefix, "endpoint": bucket.endpoint, "region": bucket.region}
    document: dict[str, Any] = {"tier": config.tier, **{name: value for name, value in fields.items() if value}}
    if config.credentials is not None:
        names = ("accessKeyId", "secretAccessKey", "sessionToken")
        document["credentials"] = {
            name: _named(secret) for name, secret in zip(names, config.credentials) if secret is not None
        }
    if isinstance(config, ArchiveConfig):
        document["storageClass"] = config.storage_class
    return {**document, **timeout}


def _named(secret: Secret) -> dict[str, str]:
    return {"env": secret.env} if secret.env is not None else {"file": secret.file or ""}
