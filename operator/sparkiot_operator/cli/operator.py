"""``sparkiot operator``: every setting is a flag; a flag wins over its environment variable."""

import json
from typing import Any, NoReturn

import typer
from pydantic import ValidationError

from sparkiot_operator.errors import NotLeadingError, StartupError
from sparkiot_operator.settings import Settings

from .setting_flags import USAGE_ERROR, flag_of, problems, take_flags

LEASE_LOST = 75
"""After sysexits.h: a temporary failure. Whoever runs the operator starts it again, and it stands by."""


def operator(**flags: Any) -> None:
    """Run the operator until SIGTERM or SIGINT. Every flag has an environment variable, SPARKIOT_<NAME>."""
    # kopf and the inference runtime are slow to import; other commands need neither.
    from sparkiot_operator.main import run

    given = {name: value for name, value in flags.items() if value not in (None, [], ())}
    try:
        for name, value in (("policy_digests", "sha256:…"), ("policy_sources", "s3://BUCKET/KEY")):
            if name in given:
                given[name] = _pairs(given[name], flag=flag_of(name), value=value)
        if "endpoint_peers" in given:
            given["endpoint_peers"] = [_peer(text) for text in given["endpoint_peers"]]
        run(Settings(**given))
    except ValidationError as error:
        _fail(f"settings: {problems(error)}", USAGE_ERROR)
    except StartupError as error:
        _fail(str(error), error.exit_code)
    except NotLeadingError as error:
        _fail(str(error), LEASE_LOST)


def _pairs(given: list[str], *, flag: str, value: str) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    if bad := ["".join(pair) for pair in pairs if not (pair[0] and pair[2])]:
        _fail(f"{flag} {bad[0]}: expected NAME={value}", USAGE_ERROR)
    return {name: text for name, _, text in pairs}


def _peer(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        _fail(f"--endpoint-peer {text}: not JSON: {error}", USAGE_ERROR)


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(f"sparkiot operator: {message}", err=True)
    raise typer.Exit(code)


take_flags(operator, Settings)
