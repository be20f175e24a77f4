"""A prefix of an S3 bucket, with the layout of a landing folder. An object appears whole or not at all."""

from typing import Any
from urllib.parse import urlsplit

from sparkiot_edge.forwarding.segment import Segment

from .base import SinkError

CONNECT_S, READ_S = 5.0, 30.0


class S3Prefix:
    """url: ``s3://BUCKET[/PREFIX]``. Region, endpoint and credentials come from the environment, as boto3 takes them
    (``AWS_REGION``, ``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID``, a role's web identity, …). Raises ValueError.
    """

    ROLL_S = 1.0

    def __init__(self, url: str) -> None:
        self._bucket, self._prefix = parse_s3_url(url)
        self._client: Any = None

    def deliver(self, segment: Segment) -> None:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError

        key = f"{self._prefix}{segment.partition}/{segment.path.name}"
        try:
            if self._client is None:
                self._client = boto3.client("s3", config=_config())
            # One request: S3 shows an object when all of it has come, and a second one of the same name replaces it.
            with segment.path.open("rb") as body:
                self._client.put_object(Bucket=self._bucket, Key=key, Body=body)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown")
            raise SinkError(
                f"s3://{self._bucket} refused an object: {code}; check bucket, region and rights"
            ) from error
        except (BotoCoreError, OSError, ValueError) as error:  # ValueError: an endpoint that is no URL
            raise SinkError(f"s3://{self._bucket} cannot be reached ({type(error).__name__})") from error

    def close(self) -> None:
        if self._client is not None:
            self._client.close()


def parse_s3_url(url: str) -> tuple[str, str]:
    """Bucket, and prefix that is empty or ends in a slash. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("the S3 URL must be s3://BUCKET or s3://BUCKET/PREFIX")
    prefix = parts.path.strip("/")
    return parts.netloc, f"{prefix}/" if prefix else ""


def _config() -> Any:
    from botocore.config import Config

    # Delivery tries again by itself, and says meanwhile what is wrong.
    return Config(connect_timeout=CONNECT_S, read_timeout=READ_S, retries={"total_max_attempts": 1})
