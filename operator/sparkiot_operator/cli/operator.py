"""``sparkiot operator``: every setting is a flag; a flag wins over its environment variable."""

import inspect
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import typer
from pydantic import ValidationError

from sparkiot_operator.errors import NotLeadingError, StartupError
from sparkiot_operator.settings import Settings

USAGE_ERROR = 2
LEASE_LOST = 75
"""After sysexits.h: a temporary failure. Whoever runs the operator starts it again, and it stands by."""
SINGULAR = {"namespaces": "namespace", "policy_digests": "policy-digest"}
"""Flags that may be repeated are named for one value."""


def operator(**flags: Any) -> None:
    """Run the operator until SIGTERM or SIGINT. Every flag has an environment variable, SPARKIOT_<NAME>."""
    from sparkiot_operator.main import (
        run,
    )  # kopf and the inference runtime are slow to import; other commands need neither

    given = {name: value for name, value in flags.items() if value not in (None, [], ())}
    try:
        if "policy_digests" in given:
            given["policy_digests"] = _pairs(given["policy_digests"])
        run(Settings(**given))
    except ValidationError as error:
        problems = "; ".join(f"{_where(e['loc'])}{e['msg'].removeprefix('Value error, ')}" for e in error.errors())
        _fail(f"settings: {problems}", USAGE_ERROR)
    except StartupError as error:
        _fail(str(error), error.exit_code)
    except NotLeadingError as error:
        _fail(str(error), LEASE_LOST)


def flag_of(name: str) -> str:
    """The flag of a setting: ``--health-port`` for ``health_port``."""
    return "--" + SINGULAR.get(name, name.replace("_", "-"))


def _signature() -> inspect.Signature:
    """One optional flag for each setting, so that typer documents and parses them all."""
    return inspect.Signature(
        [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=typer.Option(None, flag_of(name), help=f"{field.description} [default: {_default(field)}]"),
                annotation=_flag_type(field.annotation),
            )
            for name, field in Settings.model_fields.items()
        ]
    )


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    return "none" if value in (None, [], {}) else str(value)


def _flag_type(annotation: Any) -> Any:
    if annotation is bool:
        return bool | None
    if annotation in (list[str], dict[str, str]):
        return list[str] | None
    plain = next((a for a in get_args(annotation) if a is not type(None)), annotation)
    return Path | None if plain is Path else (annotation if isinstance(annotation, UnionType) else plain | None)


def _pairs(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    if bad := [f"{name}{equals}{value}" for name, equals, value in pairs if not (name and value)]:
        _fail(f"--policy-digest {bad[0]}: expected NAME=sha256:…", USAGE_ERROR)
    return {name: value for name, _, value in pairs}


def _where(location: tuple[int | str, ...]) -> str:
    return f"{flag_of(str(location[0]))}: " if location else ""


def _fail(message: str, code: int) -> None:
    typer.echo(f"sparkiot operator: {message}", err=True)
    raise typer.Exit(code)


operator.__signature__ = _signature()  # type: ignore[attr-defined]  # functions take one; typeshed does not know
operator.__annotations__ = {name: p.annotation for name, p in _signature().parameters.items()}
