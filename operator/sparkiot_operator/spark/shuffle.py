"""What an allocation's tier and compression mean in Spark's own settings; the driver applies them as it starts Spark.

Cold and Archive have no settings of their own: Spark's fallback storage would take shuffle blocks to S3 on
decommission, but it needs hadoop-aws, which neither pyspark nor Spark's image brings.
"""

from collections.abc import Mapping

from sparkiot_operator.resource.spec import SparkIoTJobSpec
from sparkiot_policies.allocation import Compression, Tier

from .tiers import host_path

TMPFS_KEY = "spark.kubernetes.local.dirs.tmpfs"
_LOCAL_DIR = "spark-local-dir-"
_VOLUMES = "spark.kubernetes.executor.volumes."


def tier_properties(spec: SparkIoTJobSpec) -> dict[Tier, dict[str, str]]:
    """Spark properties by tier. Local directories that the user's properties state stay as they are.

    The warm tier's folder is in every executor, whatever tier it starts with, as the tiered shuffle changes the tier
    while it runs; under the name that makes Spark put its local directories there, only when it starts with Warm.
    """
    stated = spec.application.spark_conf if spec.application is not None else {}
    if any(f".{_LOCAL_DIR}" in key for key in stated):
        return dict.fromkeys(Tier, _warm_volume(spec, "sparkiot-warm", stated))
    beside = _warm_volume(spec, "sparkiot-warm", stated)
    return {
        Tier.HOT: {TMPFS_KEY: "true", **beside},
        Tier.WARM: _warm_volume(spec, f"{_LOCAL_DIR}1", stated),
        Tier.COLD: beside,
        Tier.ARCHIVE: beside,
    }


def compression_properties() -> dict[Compression, dict[str, str]]:
    """Spark properties by compression of shuffle blocks."""
    return {
        Compression.NONE: {"spark.shuffle.compress": "false", "spark.shuffle.spill.compress": "false"},
        Compression.LZ4: _codec("lz4"),
        Compression.ZSTD: _codec("zstd"),
    }


def _warm_volume(spec: SparkIoTJobSpec, name: str, stated: Mapping[str, str]) -> dict[str, str]:
    """The nodes' folder, mounted where it is on the node; nothing where a stated volume is mounted there already."""
    path = host_path(spec)
    mounts = {value.rstrip("/") for key, value in stated.items() if key.startswith(_VOLUMES) and _is_mount(key)}
    if path is None or path.rstrip("/") in mounts:
        return {}
    return {f"{_VOLUMES}hostPath.{name}.mount.path": path, f"{_VOLUMES}hostPath.{name}.options.path": path}


def _is_mount(key: str) -> bool:
    return key.endswith(".mount.path")


def _codec(name: str) -> dict[str, str]:
    return {
        "spark.io.compression.codec": name,
        "spark.shuffle.compress": "true",
        "spark.shuffle.spill.compress": "true",
    }
