"""Policies in S3: each archive is fetched once, and kept only if it is the artifact whose digest was given for it.

The operator fetches beside its loop and keeps trying. A store that is down when a pod starts so delays a policy and not
the operator: jobs run on their fallback rule meanwhile, and say why.
"""

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sparkiot_policies.artifact import load_artifact
from sparkiot_policies.errors import ArtifactError

from .policy_source import Source

LOGGER = logging.getLogger(__name__)
MAX_BYTES = 64 << 20
"""Of an archive; what is read out of it has limits of its own."""
CONNECT_S, READ_S = 5.0, 10.0
FIRST_LOOK_S = 20.0
"""How long the operator waits for the first attempt, lest each job begins on its fallback rule."""
_DENIED = frozenset({"AccessDenied", "401", "403", "ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"})


@dataclass(frozen=True, slots=True)
class Store:
    """Where S3 is. endpoint: URL of a server that speaks its protocol; AWS when None. Credentials are boto3's to find:
    the pod's environment, or the role of its account."""

    endpoint: str | None = None
    region: str | None = None


def fetch(source: Source, digest: str, target: Path, store: Store) -> None:
    """Write the archive to ``target``, which has it whole or not at all.

    Raises ArtifactError that names the object and says what is wrong, also when its artifact has another digest.
    """
    fresh = target.with_name(f"{target.name}.new")
    fresh.write_bytes(_read(source, store))
    try:
        load_artifact(fresh, digest)
    except ArtifactError as error:
        fresh.unlink()
        raise ArtifactError(str(error).replace(str(fresh), str(source))) from error
    fresh.replace(target)


class Fetcher:
    """Fetches a few policies into a folder.

    sources: by policy name. digests: of each of them. retry_s, retry_max_s: wait between attempts, which doubles.
    """

    def __init__(
        self,
        sources: Mapping[str, Source],
        digests: Mapping[str, str],
        fetch_one: Callable[[Source, str, Path], None],
        *,
        folder: Path,
        retry_s: float,
        retry_max_s: float,
    ) -> None:
        self._sources, self._digests, self._fetch_one = sources, digests, fetch_one
        self._folder = folder
        self._retry_s, self._retry_max_s = retry_s, retry_max_s
        self.problems: dict[str, str] = {name: f"{source}: not fetched yet" for name, source in sources.items()}
        """Why a policy is not there, by name; those that are there are left out."""
        self.attempted = asyncio.Event()
        """Set when all were tried once."""

    def path(self, name: str) -> Path | None:
        """The archive of a policy; None for one that is not fetched, or not from here."""
        return None if name in self.problems or name not in self._sources else self._target(name)

    async def run(self) -> None:
        """Until all are there."""
        wait = self._retry_s
        while self.problems:
            for name in list(self.problems):
                await self._try(name)
            self.attempted.set()
            if self.problems:
                await asyncio.sleep(wait)
                wait = min(2 * wait, self._retry_max_s)
        self.attempted.set()

    async def _try(self, name: str) -> None:
        source = self._sources[name]
        try:
            await asyncio.to_thread(self._fetch_one, source, self._digests[name], self._target(name))
        except (ArtifactError, OSError) as error:
            if str(error) != self.problems[name]:
                LOGGER.warning("policy %s was not fetched: %s", name, error)
            self.problems[name] = str(error)
        else:
            del self.problems[name]
            LOGGER.info("policy %s was fetched from %s", name, source)

    def _target(self, name: str) -> Path:
        return self._folder / name


@contextlib.asynccontextmanager
async def fetching(
    sources: Mapping[str, str], digests: Mapping[str, str], store: Store, *, retry_s: float, retry_max_s: float
) -> AsyncIterator[Fetcher | None]:
    """A fetcher that works in the background, after its first attempt; None where there is nothing to fetch."""
    if not sources:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="sparkiot-policies-") as folder:
        fetcher = Fetcher(
            {name: Source.parse(text) for name, text in sources.items()},
            digests,
            lambda source, digest, target: fetch(source, digest, target, store),
            folder=Path(folder),
            retry_s=retry_s,
            retry_max_s=retry_max_s,
        )
        working = asyncio.create_task(fetcher.run())
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(fetcher.attempted.wait(), FIRST_LOOK_S)
            yield fetcher
        finally:
            working.cancel()


def _read(source: Source, store: Store) -> bytes:
    """Raises ArtifactError that names the object and says what to do."""
    import boto3
    import boto3.exceptions
    import botocore.config
    import botocore.exceptions

    failures = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, boto3.exceptions.Boto3Error)
    config = botocore.config.Config(
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        retries={"total_max_attempts": 1},
        s3={"addressing_style": "path" if store.endpoint else "auto"},
    )
    region = store.region or ("us-east-1" if store.endpoint else None)
    try:
        client = boto3.session.Session().client("s3", endpoint_url=store.endpoint, region_name=region, config=config)
        with contextlib.closing(client):
            answer = client.get_object(Bucket=source.bucket, Key=source.key)
            with answer["Body"] as body:
                data: bytes = body.read(MAX_BYTES + 1)
    except botocore.exceptions.ClientError as error:
        raise ArtifactError(f"{source}: {_said(error.response.get('Error', {}))}") from error
    except (botocore.exceptions.NoCredentialsError, botocore.exceptions.PartialCredentialsError) as error:
        raise ArtifactError(
            f"{source}: no credentials; name a secret with them, or give the operator's account a role"
        ) from error
    except (*failures, OSError) as error:
        raise ArtifactError(f"{source}: not fetched: {error}") from error
    if len(data) > MAX_BYTES:
        raise ArtifactError(f"{source}: larger than {MAX_BYTES >> 20} MiB, which no policy is")
    return data


def _said(answer: Mapping[str, str]) -> str:
    code, message = str(answer.get("Code", "")), str(answer.get("Message", ""))
    if code in ("NoSuchBucket", "NoSuchKey", "404"):
        return f"there is no such {'bucket' if code == 'NoSuchBucket' else 'object'}; correct policy-sources"
    if code in _DENIED:
        return f"the store refuses the credentials ({code}: {message}); they need s3:GetObject for it"
    return f"the store answers {code}: {message}"
