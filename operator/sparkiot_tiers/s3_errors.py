"""What S3's answers mean for a tier. Codes: Amazon S3 API Reference, "Error responses"."""

from __future__ import annotations

from typing import NamedTuple

from sparkiot_tiers.errors import (
    BlockArchived,
    BlockMissing,
    TierDenied,
    TierError,
    TierFull,
    TierMisconfigured,
    TierSlow,
    TierUnavailable,
)

_NO_KEY = ("NoSuchKey", "InvalidRange")
_ARCHIVED = ("InvalidObjectState", "RestoreAlreadyInProgress")
_NO_PLACE = (
    "NoSuchBucket",
    "InvalidBucketName",
    "PermanentRedirect",
    "AuthorizationHeaderMalformed",
    "301",
    "404",
    "MethodNotAllowed",
)
_DENIED = (
    "AccessDenied",
    "AllAccessDisabled",
    "AccountProblem",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "401",
    "403",
)
_SLOW = ("RequestTimeout", "SlowDown", "ThrottlingException")
_FULL = ("InsufficientStorage", "QuotaExceeded", "XMinioStorageFull", "XAmzStorageFull", "507")
_SAYINGS: tuple[tuple[tuple[str, ...], type[TierError], str], ...] = (
    (_NO_PLACE, TierMisconfigured, "does not exist {}; create the bucket, or correct name and region"),
    (_DENIED, TierDenied, "refuses the credentials {}; check the secret and what it may do"),
    (_SLOW, TierSlow, "is overloaded {}; lower the load on it"),
    (_FULL, TierFull, "has no room {}; make room or raise the quota"),
)


class Told(NamedTuple):
    """What a message says. key: of the block that the request was for, where it must be there."""

    tier: str
    where: str
    timeout_seconds: float
    key: str | None = None


def translated(error: Exception, told: Told) -> TierError:
    """The tier's error for one of boto3's."""
    import botocore.exceptions as failures

    if isinstance(error, failures.ClientError):
        found = error.response.get("Error", {})
        return of_code(str(found.get("Code", "")), str(found.get("Message", "")), told)
    if isinstance(error, (failures.NoCredentialsError, failures.PartialCredentialsError)):
        return TierDenied(told.tier, f"{told.where}: no credentials; name a secret, or give the pod's account a role")
    if isinstance(error, (failures.ConnectTimeoutError, failures.ReadTimeoutError)):
        return TierSlow(
            told.tier,
            f"{told.where} did not answer within {told.timeout_seconds:g} s; look at its load and the network",
        )
    if isinstance(error, (failures.NoRegionError, failures.InvalidRegionError, failures.ParamValidationError)):
        return TierMisconfigured(told.tier, f"{told.where}: {error}")
    return TierUnavailable(told.tier, f"{told.where} does not serve: {error}; see that it runs and can be reached")


def of_code(code: str, said: str, told: Told) -> TierError:
    """The tier's error for a code and a message of S3's."""
    tier, where, key = told.tier, told.where, told.key
    answer = f"({code}: {said})" if said else f"({code})"
    if key is not None and code in _NO_KEY:
        return BlockMissing(tier, key, f"block {key} is not in {where} {answer}; it was deleted or never written")
    if key is not None and code in _ARCHIVED:
        return BlockArchived(tier, key, f"block {key} in {where} must be restored before it can be read {answer}")
    for codes, error, saying in _SAYINGS:
        if code in codes:
            return error(tier, f"{where} {saying.format(answer)}")
    return TierUnavailable(tier, f"{where} does not serve {answer}; see to the store")
