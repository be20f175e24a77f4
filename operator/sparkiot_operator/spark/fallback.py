"""Spark's fallback storage: where a decommissioned executor's shuffle blocks go when no other executor can take them.

It is set only where the job says that the place is one for all: a block that is in it and cannot be read fails the
stage four times, and then the job, as Spark does not compute it again (seen with 3.5.9). Without it Spark computes
again what the executor had. So a folder must be stated as shared, and a bucket as one that the image can open: Hadoop
needs hadoop-aws for that. Pure.
"""

from collections.abc import Mapping

from sparkiot_operator.resource.spec import SparkIoTJobSpec
from sparkiot_policies.allocation import Tier
from sparkiot_tiers.store import FALLBACK

from .tiers import cold_variables

PATH_KEY = "spark.storage.decommission.fallbackStorage.path"
CLEAN_UP_KEY = "spark.storage.decommission.fallbackStorage.cleanUp"
_S3A = "spark.hadoop.fs.s3a.bucket."
_S3A_KEYS = {"ACCESS_KEY_ID": "access.key", "SECRET_ACCESS_KEY": "secret.key", "SESSION_TOKEN": "session.token"}


def fallback_properties(spec: SparkIoTJobSpec, tier: Tier, blocks: str, stated: Mapping[str, str]) -> dict[str, str]:
    """Of an allocation with that tier. blocks: what the keys of the job's blocks begin with. stated: the user's.

    Fast tiers prefer the folder, the others the bucket. Both lie below the job's blocks, so that they go with these.
    """
    if PATH_KEY in stated:
        return {}
    found = [_folder(spec, blocks), _bucket(spec, blocks)]
    if tier in (Tier.COLD, Tier.ARCHIVE):
        found.reverse()
    place = next((properties for properties in found if properties), {})
    return {key: value for key, value in place.items() if key not in stated}


def _folder(spec: SparkIoTJobSpec, blocks: str) -> dict[str, str]:
    warm = spec.shuffle.tiers.warm
    if warm is None or not warm.volume.shared:
        return {}
    path = (warm.volume.host_path or warm.volume.mount_path or "").rstrip("/")
    return _at(f"file://{path}/{blocks}")


def _bucket(spec: SparkIoTJobSpec, blocks: str) -> dict[str, str]:
    """Hadoop reads credentials from the environment, by its own ``${env.NAME}``, so that no property holds them."""
    cold = spec.shuffle.tiers.cold
    if cold is None or not cold.s3.hadoop_aws:
        return {}
    s3 = cold.s3
    options = {_S3A_KEYS[name]: f"${{env.{variable}}}" for name, variable in cold_variables(spec).items()}
    if s3.endpoint is not None:
        options |= {"endpoint": s3.endpoint, "path.style.access": "true"}
    if s3.region is not None:
        options["endpoint.region"] = s3.region
    own = {f"{_S3A}{s3.bucket}.{name}": value for name, value in options.items()}
    return _at(f"s3a://{s3.bucket}/{s3.prefix or ''}{blocks}") | own


def _at(root: str) -> dict[str, str]:
    """Spark asks for the slash at the end."""
    return {PATH_KEY: f"{root}{FALLBACK}/", CLEAN_UP_KEY: "true"}
