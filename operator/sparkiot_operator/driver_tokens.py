"""The token of a driver's endpoint: where the operator keeps it, and how it is replaced while the driver runs.

A Secret reaches a pod's files a minute or two after it was written, so a token is replaced in two steps. First the next
one stands beside the present one, and the driver takes both as soon as its files say so. The operator tries the next
one with each call; once the driver took it, the Secret holds that one alone, and the old one ends when the driver's
files follow.
"""

import base64
import binascii
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from .errors import (
    ApiError,
    ApiNotFoundError,
    ApiRefusedError,
    BackendFailedError,
    BackendRefusedError,
    DriverRefusedError,
)
from .spark import access
from .times import parse_timestamp

LOGGER = logging.getLogger(__name__)
MANAGER = "sparkiot-operator"
TOKEN_LIFETIME_S = 12 * 3600.0
AGAIN_S = 60.0
"""Seconds until a replacement that the API server did not take is tried again."""
Json = dict[str, Any]
T = TypeVar("T")


class SecretsApi(Protocol):
    """Each call raises ApiError. ``kube.KubeApi`` is the real one."""

    async def read(self, path: str) -> Json: ...

    async def apply(self, path: str, manifest: Mapping[str, Any], *, manager: str) -> None: ...


@dataclass(frozen=True, slots=True, repr=False)
class Tokens:
    """present: what the driver takes. following: what it takes once its files have it; None while nothing changes.

    issued: when the present one was made, epoch seconds; None where that is not known.
    """

    present: str
    following: str | None = None
    issued: float | None = None


def new_token() -> str:
    return secrets.token_urlsafe(32)


class DriverTokens:
    """The tokens of one job's driver.

    metadata: of the Secret, with its name and namespace. lifetime_s: seconds after which a token is replaced.
    """

    def __init__(self, api: SecretsApi, metadata: Json, *, lifetime_s: float) -> None:
        self._api = api
        self._metadata = metadata
        self._path = f"/api/v1/namespaces/{metadata['namespace']}/secrets/{metadata['name']}"
        self._lifetime_s = lifetime_s
        self._known: Tokens | None = None
        self._not_before = 0.0

    def forget(self) -> None:
        """What was read is of another driver."""
        self._known = None

    async def use(self, call: Callable[[str], Awaitable[T]], *, now: float) -> T:
        """Make a call with the token that the driver takes. now: epoch seconds.

        Raises what the call raises, and BackendFailedError or BackendRefusedError when there is no token to be had.
        """
        tokens = self._known = self._known or await self._read()
        if tokens.following is None and self._due(tokens, now):
            tokens = await self._write(replace(tokens, following=new_token()), before=tokens, now=now)
        if tokens.following is not None:
            try:
                result = await call(tokens.following)
            except DriverRefusedError as error:
                if error.status != 401:
                    raise
            else:
                await self._write(Tokens(tokens.following, issued=now), before=tokens, now=now)
                return result
        try:
            return await call(tokens.present)
        except DriverRefusedError as error:
            if error.status == 401:  # somebody else may have written the Secret
                self.forget()
            raise

    def _due(self, tokens: Tokens, now: float) -> bool:
        return now >= self._not_before and (tokens.issued is None or now - tokens.issued >= self._lifetime_s)

    async def _read(self) -> Tokens:
        try:
            found = await self._api.read(self._path)
        except ApiNotFoundError:
            found = {}
        except ApiRefusedError as error:
            raise BackendRefusedError("ObjectRefused", str(error)) from error
        data, notes = found.get("data") or {}, found.get("metadata", {}).get("annotations") or {}
        present = _decoded(data.get(access.TOKEN_KEY))
        if present is None:
            name = self._metadata["name"]
            raise BackendFailedError(
                "TokenMissing", f"secret {name} has no token; delete the driver pod, and the next one gets another"
            )
        return Tokens(present, _decoded(data.get(access.NEXT_KEY)), _time(notes.get(access.ISSUED_ANNOTATION)))

    async def _write(self, tokens: Tokens, *, before: Tokens, now: float) -> Tokens:
        """What holds from now on: these tokens, or ``before`` where the API server does not take them."""
        manifest = access.secret(self._metadata, token=tokens.present, following=tokens.following, issued=tokens.issued)
        try:
            await self._api.apply(self._path, manifest, manager=MANAGER)
        except ApiError as error:
            LOGGER.warning("%s: the token of the driver's endpoint was not replaced: %s", self._path, error)
            self._not_before = now + AGAIN_S
            return before
        if tokens.following is None:
            LOGGER.info("%s: the token of the driver's endpoint was replaced", self._path)
        self._known = tokens
        return tokens


def _time(text: str | None) -> float | None:
    try:
        return parse_timestamp(text or "")
    except ValueError:
        return None


def _decoded(value: str | None) -> str | None:
    """None for what is absent, empty or no text."""
    try:
        return base64.b64decode(value or "", validate=True).decode("ascii").strip() or None
    except (binascii.Error, UnicodeDecodeError):
        return None
