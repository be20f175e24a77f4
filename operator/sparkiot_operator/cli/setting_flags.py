"""Settings as flags: one optional flag a setting, so that typer documents and parses them all."""

import inspect
from collections.abc import Callable, Collection
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import typer
from pydantic import ValidationError
from pydantic_settings import BaseSettings

USAGE_ERROR = 2
SINGULAR = {
    "namespaces": "namespace",
    "policy_digests": "policy-digest",
    "groups": "group",
    "bursts": "burst",
    "endpoint_peers": "endpoint-peer",
    "policy_sources": "policy-source",
    "host_paths": "host-path",
    "job_service_accounts": "job-service-account",
}
"""Flags that may be repeated are named for one value."""


def take_flags(command: Callable[..., None], settings: type[BaseSettings], *, without: Collection[str] = ()) -> None:
    """Give a command that takes ``**flags`` the flags of a class of settings. without: settings that are no flag."""
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=typer.Option(None, flag_of(name), help=f"{field.description} [default: {_default(field)}]"),
            annotation=_flag_type(field.annotation),
        )
        for name, field in settings.model_fields.items()
        if name not in without
    ]
    signature = inspect.Signature(parameters)
    command.__signature__ = signature  # type: ignore[attr-defined]  # functions take one; typeshed does not know
    command.__annotations__ = {name: p.annotation for name, p in signature.parameters.items()}


def flag_of(name: str) -> str:
    """The flag of a setting: ``--health-port`` for ``health_port``."""
    return "--" + SINGULAR.get(name, name.replace("_", "-"))


def problems(error: ValidationError) -> str:
    """What is wrong with the settings, each by its flag."""
    return "; ".join(f"{_where(e['loc'])}{e['msg'].removeprefix('Value error, ')}" for e in error.errors())


def _where(location: tuple[int | str, ...]) -> str:
    return f"{flag_of(str(location[0]))}: " if location else ""


def _default(field: Any) -> str:
    if field.is_required():
        return "none; it is needed"
    value = field.get_default(call_default_factory=True)
    return "none" if value in (None, [], {}) else str(value)


def _flag_type(annotation: Any) -> Any:
    if annotation is bool:
        return bool | None
    if annotation in (list[str], dict[str, str], list[dict[str, Any]]):
        return list[str] | None
    plain = next((a for a in get_args(annotation) if a is not type(None)), annotation)
    return Path | None if plain is Path else (annotation if isinstance(annotation, UnionType) else plain | None)
