"""Errors of the embedded cluster.

ClusterError
├── ClusterStartError   the server cannot start: address, port
├── ClusterDataError    the data folder cannot be read or is in use
└── ApiError            one request is refused; becomes a Kubernetes `Status` object

Messages and reasons of `ApiError` follow k8s.io/apimachinery/pkg/api/errors, because clients match on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Obj = dict[str, Any]


class ClusterError(Exception):
    """Anything that the embedded cluster reports to its user."""


class ClusterStartError(ClusterError):
    """The server cannot start; the message says why and what to do."""


class ClusterDataError(ClusterError):
    """The data folder is damaged or in use; the message names file and line."""


class ApiError(ClusterError):
    """A refused request: HTTP code, machine-readable reason, message, optional details."""

    def __init__(self, code: int, reason: str, message: str, details: Obj | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.details = details

    def status(self) -> Obj:
        """The `Status` object that the client receives."""
        body: Obj = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(self),
            "reason": self.reason,
            "code": self.code,
        }
        return body | ({"details": self.details} if self.details else {})


@dataclass(frozen=True)
class FieldError:
    """One invalid field: its path from the root, the reason of the cause, and what is wrong."""

    field: str
    reason: str
    message: str


def qualified(plural: str, group: str) -> str:
    return f"{plural}.{group}" if group else plural


def _details(plural: str, group: str, name: str) -> Obj:
    return {"name": name, "kind": plural} | ({"group": group} if group else {})


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def not_found(plural: str, group: str, name: str) -> ApiError:
    message = f'{qualified(plural, group)} "{name}" not found'
    return ApiError(404, "NotFound", message, _details(plural, group, name))


def no_such_path() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def already_exists(plural: str, group: str, name: str) -> ApiError:
    message = f'{qualified(plural, group)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(plural, group, name))


def conflict(plural: str, group: str, name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {qualified(plural, group)} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(plural, group, name))


def stale(plural: str, group: str, name: str) -> ApiError:
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(plural, group, name, why)


def forbidden(plural: str, group: str, name: str, why: str) -> ApiError:
    message = f'{qualified(plural, group)} "{name}" is forbidden: {why}'
    return ApiError(403, "Forbidden", message, _details(plural, group, name))


def method_not_allowed() -> ApiError:
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def unsupported_media_type(given: str, accepted: Sequence[str]) -> ApiError:
    known = ", ".join(accepted)
    message = f"the body of the request was in an unknown format ({given}) - accepted media types include: {known}"
    return ApiError(415, "UnsupportedMediaType", message)


def expired(wanted: int, oldest: int) -> ApiError:
    return ApiError(410, "Expired", f"too old resource version: {wanted} ({oldest})")


def invalid(kind: str, group: str, name: str, errors: Sequence[FieldError]) -> ApiError:
    """422 that lists every invalid field, once in the message and once as a cause."""
    texts = [f"{error.field}: {error.message}" for error in errors]
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    causes = [{"reason": error.reason, "message": error.message, "field": error.field} for error in errors]
    details = {"name": name, "group": group, "kind": kind, "causes": causes}
    return ApiError(422, "Invalid", f'{qualified(kind, group)} "{name}" is invalid: {joined}', details)
