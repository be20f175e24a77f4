"""Who owns which field: managedFields and server-side apply.

An object is seen as its leaves: a map from paths (tuples of fieldsV1 steps, `f:spec`, `k:{"name":"a"}`, `v:"x"`) to
values. Ownership, conflicts and removals are then set arithmetic. Source of the rules: kubernetes.io, "Server-Side
Apply", and sigs.k8s.io/structured-merge-diff.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from sparkiot_sim.devcluster.errors import ApiError, Obj
from sparkiot_sim.devcluster.patches import item_key, list_keys

Path = tuple[str, ...]
_ABSENT: Any = object()
_UNTRACKED_META = (
    *("name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp"),
    *("deletionGracePeriodSeconds", "managedFields", "selfLink", "generateName"),
)


@dataclass(frozen=True)
class Shape:
    """How a value merges: by its CRD schema, or by the built-in kinds' field names when `schema` is None."""

    schema: Obj | None
    name: str = ""

    def field(self, name: str) -> "Shape":
        if self.schema is None:
            return Shape(None, name)
        if not self.name and name == "metadata":
            return Shape(None, name)
        extra = self.schema.get("additionalProperties")
        sub = (self.schema.get("properties") or {}).get(name, extra if isinstance(extra, dict) else {})
        return Shape(sub, name)

    def items(self) -> "Shape":
        return Shape(None, self.name) if self.schema is None else Shape(self.schema.get("items") or {}, "items")

    def keys(self, items: list[Any]) -> tuple[str, ...] | None:
        """Merge keys of a list: () for a set, None for an atomic list."""
        if self.schema is None:
            return list_keys(self.name, items)
        kind = self.schema.get("x-kubernetes-list-type", "atomic")
        if kind == "map" and all(isinstance(item, dict) for item in items):
            return tuple(self.schema.get("x-kubernetes-list-map-keys") or ())
        return () if kind == "set" else None

    @property
    def atomic(self) -> bool:
        return self.schema is not None and self.schema.get("x-kubernetes-map-type") == "atomic"


def _item_step(item: Any, keys: tuple[str, ...]) -> str:
    if not keys:
        return f"v:{orjson.dumps(item).decode()}"
    return f"k:{item_key(item, keys)}"


def leaves(shape: Shape, value: Any, path: Path = ()) -> dict[Path, Any]:
    """Every leaf of `value`; an item of a keyed list counts as a leaf of its own besides its fields."""
    found: dict[Path, Any] = {}
    if isinstance(value, dict) and value and not shape.atomic:
        for name, held in value.items():
            if path == ("f:metadata",) and name in _UNTRACKED_META:
                continue
            if path or name not in ("apiVersion", "kind"):
                found.update(leaves(shape.field(name), held, (*path, f"f:{name}")))
        return found
    keys = shape.keys(value) if isinstance(value, list) and value else None
    if keys is None:
        return {path: value} if path else {}
    for item in value:
        where = (*path, _item_step(item, keys))
        found[where] = True
        if keys:
            found.update(leaves(shape.items(), item, where))
    return found


@dataclass(frozen=True)
class Manager:
    """Identity of an owner: one entry of managedFields for each."""

    name: str
    operation: str  # Apply or Update
    api_version: str
    subresource: str = ""


Owned = dict[Manager, tuple[set[Path], str]]  # paths and the time of the last change


def read_owned(meta: Obj) -> Owned:
    owned: Owned = {}
    for entry in meta.get("managedFields") or ():
        if not entry:
            continue  # `managedFields: [{}]` is how a client gives up all ownership
        text = [entry.get(name, "") for name in ("manager", "operation", "apiVersion", "subresource")]
        who = Manager(*text)
        owned[who] = (_paths(entry.get("fieldsV1") or {}, ()), entry.get("time", ""))
    return owned


def write_owned(meta: Obj, owned: Owned) -> None:
    entries = []
    for who, (paths, time) in owned.items():
        if not paths:
            continue
        entry: Obj = {"manager": who.name, "operation": who.operation, "apiVersion": who.api_version, "time": time}
        entry |= {"fieldsType": "FieldsV1", "fieldsV1": _tree(paths)}
        entries.append(entry | ({"subresource": who.subresource} if who.subresource else {}))
    meta["managedFields"] = entries


def _paths(node: Any, path: Path) -> set[Path]:
    if not node or not isinstance(node, dict):
        return {path} if path else set()
    found: set[Path] = set()
    for step, sub in node.items():
        found |= {path} if step == "." else _paths(sub, (*path, step))
    return found


def _tree(paths: set[Path]) -> Obj:
    root: Obj = {}
    for path in sorted(paths, key=len, reverse=True):  # the longest first: a parent with children is marked by a dot
        node = root
        for step in path:
            node = node.setdefault(step, {})
        if node:
            node["."] = {}
    return root


def track_update(shape: Shape, before: Obj, after: Obj, who: Manager, now: str) -> None:
    """Gives `who` what it changed between `before` and `after`, takes it from everybody else; edits `after`."""
    meta = after["metadata"]
    owned = read_owned(meta) if "managedFields" in meta else read_owned(before.get("metadata") or {})
    touched = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    was = leaves(shape, {name: before[name] for name in touched if name in before})
    now_is = leaves(shape, {name: after[name] for name in touched if name in after})
    changed = {path for path, value in now_is.items() if was.get(path, _ABSENT) != value}
    gone = was.keys() - now_is.keys()
    if changed or gone:
        for other, (paths, time) in owned.items():
            owned[other] = (paths - changed - gone, time)
        if changed:
            owned[who] = (owned.get(who, (set(), ""))[0] | changed, now)
    write_owned(meta, owned)


def apply(shape: Shape, live: Obj, config: Obj, who: Manager, *, force: bool, now: str) -> Obj:
    """Server-side apply: `live` with `config` merged in, what `who` no longer applies taken out, owners updated.

    Raises ApiError 409 that names each field whose value another manager owns, unless `force`.
    """
    owned = read_owned(live.get("metadata") or {})
    wanted, present = leaves(shape, config), leaves(shape, live)
    maps = _prefixes(set(present))  # an empty map merged into a map changes nothing
    differing = {
        path
        for path, value in wanted.items()
        if present.get(path, _ABSENT) != value and not (value == {} and path in maps)
    }
    conflicts = {other: paths & differing for other, (paths, _) in owned.items() if other != who and paths & differing}
    if conflicts and not force:
        raise _conflict_error(conflicts)
    for other, paths in conflicts.items():
        owned[other] = (owned[other][0] - paths, owned[other][1])
    prior, time = owned.pop(who, (set(), now))
    merged: Obj = _merge(shape, live, config)
    kept = _prefixes(set(wanted).union(*(paths for paths, _ in owned.values())))
    dropped = {prefix for prefix in _prefixes(prior) if prefix not in kept}
    for prefix in sorted(dropped, key=len):
        _remove(shape, merged, prefix)
    still = _prefixes(set(leaves(shape, merged)))
    unchanged = prior == set(wanted) and not conflicts and not differing
    owned = {other: ({path for path in paths if path in still}, when) for other, (paths, when) in owned.items()}
    owned[who] = (set(wanted), time if unchanged else now)
    write_owned(merged.setdefault("metadata", {}), owned)
    return merged


def _prefixes(paths: set[Path]) -> set[Path]:
    return {path[:length] for path in paths for length in range(1, len(path) + 1)}


def _merge(shape: Shape, live: Any, config: Any) -> Any:
    if isinstance(config, dict) and isinstance(live, dict) and not shape.atomic:
        merged = dict(live)
        for name, value in config.items():
            merged[name] = _merge(shape.field(name), live[name], value) if name in live else value
        return merged
    keys = shape.keys(config) if isinstance(config, list) and isinstance(live, list) else None
    if keys is None:
        return config
    items = {_item_step(item, keys): item for item in live}
    for item in config:
        step = _item_step(item, keys)
        items[step] = _merge(shape.items(), items[step], item) if step in items else item
    return list(items.values())


def _remove(shape: Shape, value: Any, path: Path) -> None:
    step, rest = path[0], path[1:]
    if isinstance(value, dict) and step.startswith("f:"):
        name = step[2:]
        if not rest:
            value.pop(name, None)
        elif name in value:
            _remove(shape.field(name), value[name], rest)
    elif isinstance(value, list) and value:
        keys = shape.keys(value)
        place = next((i for i, item in enumerate(value) if keys is not None and _item_step(item, keys) == step), None)
        if place is not None and not rest:
            del value[place]
        elif place is not None:
            _remove(shape.items(), value[place], rest)


def _shown(path: Path) -> str:
    parts = []
    for step in path:
        kind, _, text = step.partition(":")
        if kind == "f":
            parts.append(f".{text}")
        elif kind == "v":
            parts.append(f"[={text}]")
        else:
            parts.append("[" + ",".join(f"{k}={orjson.dumps(v).decode()}" for k, v in orjson.loads(text).items()) + "]")
    return "".join(parts)


def _conflict_error(conflicts: dict[Manager, set[Path]]) -> ApiError:
    causes: list[Obj] = []
    lines: list[str] = []
    for who, paths in conflicts.items():
        sub = f' with subresource "{who.subresource}"' if who.subresource else ""
        head = f'conflict with "{who.name}"{sub} using {who.api_version}'
        fields = [_shown(path) for path in sorted(paths)]
        causes += [{"reason": "FieldManagerConflict", "message": head, "field": field} for field in fields]
        lines.append(f"{head}: {fields[0]}" if len(fields) == 1 else f"{head}:\n- " + "\n- ".join(fields))
    noun = "conflict" if len(causes) == 1 else "conflicts"
    joined = lines[0] if len(lines) == 1 else "conflicts with " + "; ".join(lines)
    return ApiError(409, "Conflict", f"Apply failed with {len(causes)} {noun}: {joined}", {"causes": causes})
