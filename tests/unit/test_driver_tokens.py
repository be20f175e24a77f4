"""The token of a driver's endpoint is replaced while the driver runs: what the driver takes, what the operator does."""

import asyncio
import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sparkiot_driver.tokens import LOOK_SECONDS, Tokens
from sparkiot_operator.driver_tokens import DriverTokens
from sparkiot_operator.errors import ApiUnreachableError, BackendFailedError, DriverRefusedError, DriverUnreachableError
from sparkiot_operator.spark.access import secret

Json = dict[str, Any]
METADATA: Json = {"name": "city-driver", "namespace": "iot"}
START, LIFETIME = 1_767_225_600.0, 3600.0


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def write(folder: Path, **tokens: str) -> None:
    for key in ("token", "next"):
        (folder / key).unlink(missing_ok=True)
        if key in tokens:
            (folder / key).write_text(tokens[key])


def taken(tokens: Tokens, clock: Clock, *asked: str) -> list[str]:
    """Those of some tokens that the driver takes once it has looked again."""
    clock.now += LOOK_SECONDS
    return [token for token in asked if tokens.accept(f"Bearer {token}".encode())]


def test_the_driver_takes_what_stands_in_its_files(tmp_path: Path) -> None:
    clock = Clock()
    write(tmp_path, token="one\n")
    tokens = Tokens(tmp_path, clock)
    assert taken(tokens, clock, "one", "two") == ["one"]
    write(tmp_path, token="one", next="two")
    assert taken(tokens, clock, "one", "two") == ["one", "two"]
    write(tmp_path, token="two")
    assert taken(tokens, clock, "one", "two") == ["two"]


@pytest.mark.parametrize(
    "given", ["", "Bearer", "Bearer ", "Bearer on", "Bearer onee", "bearer one", "Basic one", "one"]
)
def test_nothing_but_the_whole_token_is_taken(tmp_path: Path, given: str) -> None:
    write(tmp_path, token="one")
    assert not Tokens(tmp_path).accept(given.encode())


def test_files_that_cannot_be_read_revoke_nothing_and_grant_nothing(tmp_path: Path) -> None:
    clock = Clock()
    write(tmp_path, token="one")
    tokens = Tokens(tmp_path, clock)
    write(tmp_path)
    assert taken(tokens, clock, "one", "") == ["one"]
    write(tmp_path, token="", next="")
    assert taken(tokens, clock, "one", "") == ["one"]


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_a_driver_without_a_token_does_not_start(tmp_path: Path, content: str | None) -> None:
    write(tmp_path, **({} if content is None else {"token": content}))
    with pytest.raises((OSError, ValueError), match="token"):
        Tokens(tmp_path)


class Secrets:
    """The API server's Secret, and a driver whose files follow when ``sync`` is called."""

    def __init__(self) -> None:
        self.stored: Json = secret(METADATA, token="one", issued=START)
        self.files: list[str] = []
        self.calls: list[str] = []
        self.refuses = False
        self.sync()

    def tokens(self) -> list[str]:
        return [base64.b64decode(value).decode() for value in self.stored["data"].values()]

    def sync(self) -> None:
        self.files = self.tokens()

    async def read(self, path: str) -> Json:
        assert path == "/api/v1/namespaces/iot/secrets/city-driver"
        return self.stored

    async def apply(self, path: str, manifest: Mapping[str, Any], *, manager: str) -> None:
        assert (path, manager) == ("/api/v1/namespaces/iot/secrets/city-driver", "sparkiot-operator")
        if self.refuses:
            raise ApiUnreachableError("PATCH: no answer")
        self.stored = dict(manifest)

    async def call(self, token: str) -> str:
        self.calls.append(token)
        if token not in self.files:
            raise DriverRefusedError("401", status=401)
        return token


def used(tokens: DriverTokens, api: Secrets, now: float) -> str:
    """The token that a call went through with."""
    return asyncio.run(tokens.use(api.call, now=now))


def fresh(api: Secrets) -> DriverTokens:
    return DriverTokens(api, METADATA, lifetime_s=LIFETIME)


def test_a_token_is_replaced_in_two_steps_and_no_call_fails_meanwhile() -> None:
    api = Secrets()
    tokens = fresh(api)
    assert used(tokens, api, START + 3599) == "one"
    assert api.tokens() == ["one"]
    # Its time is over: the next one stands beside it, and the driver does not know that yet.
    assert used(tokens, api, START + 3600) == "one"
    present, following = api.tokens()
    assert present == "one"
    assert len(following) >= 43  # 32 random bytes
    assert used(tokens, api, START + 3610) == "one"
    # Its files follow: it takes both, the operator uses the next one, and drops the old one.
    api.sync()
    assert used(tokens, api, START + 3620) == following
    assert api.tokens() == [following]
    api.sync()
    with pytest.raises(DriverRefusedError):
        asyncio.run(api.call("one"))
    # The new one has a whole life before it.
    assert used(tokens, api, START + 3620 + 3599) == following
    assert api.tokens() == [following]


def test_an_operator_that_comes_in_between_goes_on_where_the_last_one_stood() -> None:
    api = Secrets()
    used(fresh(api), api, START + 3600)
    _, following = api.tokens()
    assert used(fresh(api), api, START + 3601) == "one"
    api.sync()
    assert used(fresh(api), api, START + 3602) == following
    assert api.tokens() == [following]


def test_a_replacement_that_the_api_server_does_not_take_waits_and_stops_nothing() -> None:
    api = Secrets()
    tokens = fresh(api)
    api.refuses = True
    assert used(tokens, api, START + 3600) == "one"
    api.refuses = False
    assert used(tokens, api, START + 3659) == "one"
    assert api.tokens() == ["one"]
    assert used(tokens, api, START + 3661) == "one"
    assert len(api.tokens()) == 2


def test_a_token_of_unknown_age_is_replaced() -> None:
    api = Secrets()
    api.stored = secret(METADATA, token="one")
    used(fresh(api), api, START)
    assert len(api.tokens()) == 2


def test_a_token_that_somebody_writes_into_the_secret_is_found() -> None:
    """How to replace one at once, by hand."""
    api = Secrets()
    tokens = fresh(api)
    used(tokens, api, START)
    api.stored = secret(METADATA, token="by-hand", issued=START)
    assert used(tokens, api, START + 1) == "one"
    api.sync()
    with pytest.raises(DriverRefusedError):
        used(tokens, api, START + 2)
    assert used(tokens, api, START + 3) == "by-hand"


@pytest.mark.parametrize("data", [None, {}, {"token": ""}, {"token": "*"}, {"token": "/w=="}])
def test_a_secret_without_a_token_is_said(data: Json | None) -> None:
    api = Secrets()
    api.stored = {"metadata": {}, "data": data}
    with pytest.raises(BackendFailedError, match="city-driver has no token"):
        used(fresh(api), api, START)
    assert api.calls == []


def test_a_driver_that_fails_otherwise_is_not_asked_twice() -> None:
    api = Secrets()
    tokens = fresh(api)
    used(tokens, api, START + 3600)

    async def away(token: str) -> str:
        api.calls.append(token)
        raise DriverUnreachableError("no answer")

    api.calls.clear()
    with pytest.raises(DriverUnreachableError):
        asyncio.run(tokens.use(away, now=START + 3601))
    assert len(api.calls) == 1
