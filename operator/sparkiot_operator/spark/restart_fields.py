"""Which fields of a spec a running driver cannot take over, and which of them changed.

The pod carries a hash of each field, so that an operator that never saw the old spec still names what makes it
restart the driver. Hashes, not values: arguments and properties may hold what not everyone may read.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sparkiot_operator.resource.spec import SparkIoTJobSpec

_OPENED = ("driver", "executor", "sparkConf")
"""Fields of the application whose own fields are told apart."""
_DIGITS = 16


def restart_fields(spec: SparkIoTJobSpec) -> dict[str, str]:
    """Hash of every stated field that matters to a running driver, by its path such as ``spec.application.image``.

    What is absent, empty or has its default is left out: optional fields that a release adds restart nothing that runs.
    """
    dumped = spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    return {path: _digest(value) for path, value in sorted(_values(dumped).items()) if value not in ({}, [])}


def spec_hash(spec: SparkIoTJobSpec) -> str:
    """Equal for two specs exactly when a driver of the one serves the other."""
    return _digest(restart_fields(spec))


def changed_fields(old: Mapping[str, str], spec: SparkIoTJobSpec) -> list[str]:
    """Paths of the fields in which a spec differs from the one of which ``old`` are the ``restart_fields``, sorted."""
    new = restart_fields(spec)
    return sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))


def write_annotation(fields: Mapping[str, str]) -> str:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"))


def read_annotation(text: str | None) -> dict[str, str] | None:
    """The fields that ``write_annotation`` wrote; None for text that it did not write."""
    try:
        found = json.loads(text or "")
    except ValueError:
        return None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        return None
    return found


def _values(spec: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in spec.get("application", {}).items():
        path = f"spec.application.{name}"
        values |= {f"{path}.{key}": inner for key, inner in value.items()} if name in _OPENED else {path: value}
    # Pods do not change their volumes, variables and configuration.
    tiers = spec.get("shuffle", {}).get("tiers", {})
    return values | {f"spec.shuffle.tiers.{tier}": stated for tier, stated in tiers.items()}


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
