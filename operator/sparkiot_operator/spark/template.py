"""Merging pod templates the way ``kubectl patch`` does: maps key by key, the lists below item by item, the rest whole.

A pod is ``merge(merge(ours, user's template), what the operator must own)``: a user adds and changes anything but that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


class TemplateError(ValueError):
    """A template does not have the shape of a pod. path: where, from the template's root; message: what is wrong."""

    def __init__(self, path: str, message: str) -> None:
        self.path = path
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class _ListRule:
    """How items of a list find each other. identity: of an item. required: an item without it is refused.
    deep: an item is merged into its counterpart, else it replaces it, because its fields exclude each other."""

    identity: tuple[str, ...]
    required: bool = True
    deep: bool = False


LISTS: Mapping[str, _ListRule] = {
    "containers": _ListRule(("name",), deep=True),
    "initContainers": _ListRule(("name",), deep=True),
    "volumes": _ListRule(("name",)),
    "env": _ListRule(("name",)),
    "volumeMounts": _ListRule(("mountPath",)),
    "volumeDevices": _ListRule(("devicePath",)),
    "ports": _ListRule(("containerPort",)),
    "imagePullSecrets": _ListRule(("name",)),
    "hostAliases": _ListRule(("ip",)),
    "tolerations": _ListRule(("key", "operator", "value", "effect"), required=False),
    "topologySpreadConstraints": _ListRule(("topologyKey", "whenUnsatisfiable")),
}
"""Lists of a pod that are merged; every other list of the overlay replaces the base's."""


def merge(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> Json:
    """``base`` with ``overlay`` over it; neither is changed. Items keep the base's order, new ones follow.

    Raises TemplateError where the two differ in shape or an item lacks what identifies it.
    """
    return _merge_map(base, overlay, "")


def _merge_map(base: Mapping[str, Any], overlay: Mapping[str, Any], path: str) -> Json:
    merged = dict(base)
    for key, value in overlay.items():
        where = f"{path}.{key}" if path else key
        merged[key] = _merge(merged[key], value, key, where) if key in merged else _new(value, key, where)
    return merged


def _merge(base: Any, value: Any, key: str, path: str) -> Any:
    if isinstance(base, Mapping) != isinstance(value, Mapping):
        raise TemplateError(path, f"must be {_kind(base)}, not {_kind(value)}")
    if isinstance(base, Mapping):
        return _merge_map(base, value, path)
    if isinstance(base, list) != isinstance(value, list):
        raise TemplateError(path, f"must be {_kind(base)}, not {_kind(value)}")
    return _merge_list(base, value, LISTS[key], path) if key in LISTS else value


def _new(value: Any, key: str, path: str) -> Any:
    """A value that the base lacks, checked as one that it has."""
    if isinstance(value, Mapping):
        return _merge_map({}, value, path)
    if key in LISTS and isinstance(value, list):
        return _merge_list([], value, LISTS[key], path)
    return value


def _merge_list(base: list[Any], overlay: list[Any], rule: _ListRule, path: str) -> list[Any]:
    merged = {_identity(item, rule, f"{path}[{i}]"): item for i, item in enumerate(base)}
    for i, item in enumerate(overlay):
        where = f"{path}[{i}]"
        identity = _identity(item, rule, where)
        merged[identity] = _merge_map(merged.get(identity, {}) if rule.deep else {}, item, where)
    return list(merged.values())


def _identity(item: Any, rule: _ListRule, path: str) -> tuple[Any, ...]:
    if not isinstance(item, Mapping):
        raise TemplateError(path, f"must be a map, not {_kind(item)}")
    for key in rule.identity:
        found = item.get(key)
        if isinstance(found, Mapping | list):
            raise TemplateError(f"{path}.{key}", f"must be a value, not {_kind(found)}")
        if rule.required and found is None:
            raise TemplateError(path, f"has no {key}, by which it is merged")
    return tuple(item.get(key) for key in rule.identity)


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a map"
    return "a list" if isinstance(value, list) else "a value"
