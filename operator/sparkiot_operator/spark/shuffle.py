"""What an allocation's tier and compression mean in Spark's own settings; the driver applies them as it starts Spark.

Cold and Archive have no local directories of their own. Where an executor is decommissioned and no other is there to
take its shuffle blocks, Spark copies them to its fallback storage, a file system of Hadoop's (``fallback.py``).
"""

from collections.abc import Mapping

from sparkiot_operator.resource.spec import SparkIoTJobSpec
from sparkiot_policies.allocation import Compression, Tier

from .fallback import fallback_properties
from .tiers import host_path

TMPFS_KEY = "spark.kubernetes.local.dirs.tmpfs"
_LOCAL_DIR = "spark-local-dir-"
_VOLUMES = "spark.kubernetes.executor.volumes."


def tier_properties(spec: SparkIoTJobSpec, blocks: str) -> dict[Tier, dict[str, str]]:
    """Spark properties by tier; ``blocks`` is what the keys of the job's blocks begin with.

    Local directories and fallback storage that the user's properties state stay as they are.
    """
    stated = spec.application.spark_conf if spec.application is not None else {}
    local = _local_directories(spec, stated)
    return {tier: local[tier] | fallback_properties(spec, tier, blocks, stated) for tier in Tier}


def _local_directories(spec: SparkIoTJobSpec, stated: Mapping[str, str]) -> dict[Tier, dict[str, str]]:
    """By tier.

    The warm tier's folder is in every executor, whatever tier it starts with, as the tiered shuffle changes the tier
    while it runs; under the name that makes Spark put its local directories there, only when it starts with Warm.
    """
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
