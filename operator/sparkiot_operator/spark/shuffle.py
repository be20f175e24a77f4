"""What an allocation's tier and compression mean in Spark's own settings; the driver applies them as it starts Spark.

Cold and Archive have no settings of their own: Spark's fallback storage would take shuffle blocks to S3 on
decommission, but it needs hadoop-aws, which neither pyspark nor Spark's image brings.
"""

from sparkiot_operator.resource.spec import SparkIoTJobSpec
from sparkiot_policies.allocation import Compression, Tier

TMPFS_KEY = "spark.kubernetes.local.dirs.tmpfs"
_LOCAL_DIR = "spark-local-dir-"
_VOLUME = f"spark.kubernetes.executor.volumes.hostPath.{_LOCAL_DIR}1"


def tier_properties(spec: SparkIoTJobSpec) -> dict[Tier, dict[str, str]]:
    """Spark properties by tier. Empty ones where the user's properties state local directories of their own."""
    application = spec.application
    if application is not None and any(f".{_LOCAL_DIR}" in key for key in application.spark_conf):
        return {tier: {} for tier in Tier}
    return {Tier.HOT: {TMPFS_KEY: "true"}, Tier.WARM: _warm(spec), Tier.COLD: {}, Tier.ARCHIVE: {}}


def compression_properties() -> dict[Compression, dict[str, str]]:
    """Spark properties by compression of shuffle blocks."""
    return {
        Compression.NONE: {"spark.shuffle.compress": "false", "spark.shuffle.spill.compress": "false"},
        Compression.LZ4: _codec("lz4"),
        Compression.ZSTD: _codec("zstd"),
    }


def _warm(spec: SparkIoTJobSpec) -> dict[str, str]:
    """The node's volume, mounted where it is on the node; each executor makes a folder of its own in it."""
    warm = spec.shuffle.tiers.warm
    if warm is None:
        return {}
    path = warm.volume.host_path
    return {f"{_VOLUME}.mount.path": path, f"{_VOLUME}.options.path": path}


def _codec(name: str) -> dict[str, str]:
    return {
        "spark.io.compression.codec": name,
        "spark.shuffle.compress": "true",
        "spark.shuffle.spill.compress": "true",
    }
