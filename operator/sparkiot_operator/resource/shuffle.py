"""``spec.shuffle``: tier and compression, and where each tier is. Credentials stay in the secrets that are named."""

from typing import Literal

from pydantic import Field

from sparkiot_policies.allocation import Compression, Tier

from .base import Duration, Memory, Model, Name, rules, section


class SecretKey(Model):
    """A key of a secret in the job's namespace."""

    name: Name = Field(description="Name of the secret.")
    key: Name = Field(description="Key in the secret.")


class SecretSource(Model):
    secret_key_ref: SecretKey = Field(description="Secret key that holds the value.")


class RedisTier(Model):
    url_from: SecretSource = Field(
        description="Secret key with the server's URL, credentials included: redis://user:password@host:6379/0, or "
        "rediss:// for TLS. A Redis Cluster is known by itself."
    )
    ttl: Duration = Field("1h", description="When a block goes away by itself; longer than a micro-batch lasts.")
    ceiling: Memory | None = Field(
        None,
        description="Memory that each server may have in use, in Mi or Gi, before blocks go to another tier; its own "
        "maxmemory when absent.",
    )
    timeout: Duration = Field("10s", description="How long the server may take to connect, or to answer.")


class HotTier(Model):
    redis: RedisTier = Field(description="Redis server of the hot tier.")


class VolumeTier(Model):
    model_config = rules(
        ("has(self.hostPath) != has(self.mountPath)", "exactly one of hostPath and mountPath must be set", "")
    )
    host_path: str | None = Field(
        None,
        max_length=512,
        min_length=2,
        pattern="^/",
        description="Absolute path on the nodes, mounted where it is into driver and executors; also the local "
        "directory of executors that start with the tier Warm. On several nodes it must be a shared file system: a "
        "block may be read on another node than it was written on.",
    )
    mount_path: str | None = Field(
        None,
        max_length=512,
        min_length=2,
        pattern="^/",
        description="Absolute path at which the templates of driver and executors mount a volume already.",
    )
    shared: bool = Field(
        False,
        description="Whether driver and all executors see the same files there, on whatever node they run. Then it "
        "also takes Spark's own shuffle blocks of the last executor that is decommissioned.",
    )


class WarmTier(Model):
    volume: VolumeTier = Field(description="Folder of the warm tier.")


class S3Credentials(Model):
    access_key_id: SecretSource = Field(description="Secret key with the access key's id.")
    secret_access_key: SecretSource = Field(description="Secret key with the access key itself.")
    session_token: SecretSource | None = Field(
        None, description="Secret key with a session token, where one is needed."
    )


class S3Tier(Model):
    bucket: str = Field(
        max_length=63, min_length=3, pattern=r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$", description="Bucket; it exists already."
    )
    prefix: str | None = Field(
        None, max_length=512, pattern="^[^/].*/$", description="Prefix of every object key, with / at its end."
    )
    endpoint: str | None = Field(
        None,
        max_length=512,
        pattern="^https?://[^@/]+$",
        description="URL of an S3-compatible server, without path and credentials; AWS when absent.",
    )
    region: str | None = Field(
        None, max_length=64, pattern="^[a-z0-9-]+$", description="Region of the bucket; what the pod says when absent."
    )
    credentials_from: S3Credentials | None = Field(
        None, description="Where the credentials are; what the service account's role gives when absent."
    )
    timeout: Duration = Field("10s", description="How long the server may take to connect, or between two bytes.")


class ColdS3Tier(S3Tier):
    hadoop_aws: bool = Field(
        False,
        description="Whether the image has hadoop-aws. Then the bucket also takes Spark's own shuffle blocks of the "
        "last executor that is decommissioned.",
    )


class ArchiveS3Tier(S3Tier):
    storage_class: Literal["GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"] = Field(
        "GLACIER_IR",
        description="Storage class. Blocks of GLACIER and DEEP_ARCHIVE must be restored, which takes hours: a "
        "micro-batch cannot read them and is computed again on another tier, and tier: Auto does not choose them.",
    )


class ColdTier(Model):
    s3: ColdS3Tier = Field(description="Bucket of the cold tier.")


class ArchiveTier(Model):
    s3: ArchiveS3Tier = Field(description="Bucket of the archive tier.")


class Tiers(Model):
    hot: HotTier | None = Field(None, description="Redis.")
    warm: WarmTier | None = Field(None, description="A folder, best on a local NVMe disk.")
    cold: ColdTier | None = Field(None, description="S3.")
    archive: ArchiveTier | None = Field(None, description="S3 with an archive storage class.")


class Shuffle(Model):
    tier: Literal["Auto"] | Tier = Field(
        "Auto",
        description="Shuffle tier; Auto leaves it to the policy. A live job has Warm and the tiers stated below.",
    )
    compression: Literal["Auto"] | Compression = Field(
        "Auto", description="Compression of shuffle blocks; Auto leaves it to the policy."
    )
    tiers: Tiers = section(Tiers, "Servers and volumes of the tiers.")
