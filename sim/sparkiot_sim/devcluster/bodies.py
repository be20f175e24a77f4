"""From the bytes of a request to its object: JSON, YAML or protobuf, within bounds that keep one request from hanging
the server for all others."""

from typing import Any

import orjson
import yaml

from sparkiot_sim.devcluster import protobuf
from sparkiot_sim.devcluster.errors import ApiError, bad_request

BODY_LIMIT = 3 * 1024 * 1024  # bytes, the limit of Kubernetes' API server
MOST_LEVELS = 100
"""Of nesting. Kubernetes takes thousands; the deepest of its own kinds has about twenty."""
MOST_NODES = 200_000
"""Of a YAML document with its aliases written out: kilobytes of them can stand for gigabytes."""
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where it is there: ten times as fast


def read_body(content: bytes, content_type: str) -> Any:
    """The object, None of an empty body. Raises ApiError 400, or 415 for a kind that does not come as protobuf."""
    if content_type == protobuf.MEDIA_TYPE:
        return protobuf.decode(content) if content else None
    try:
        if "yaml" in content_type:
            _check_yaml(content)
            # Through JSON, so that a date becomes the text that Kubernetes would have seen.
            return orjson.loads(orjson.dumps(yaml.load(content, Loader=_LOADER)))  # noqa: S506 - a safe one
        body = orjson.loads(content) if content else None
    except (ValueError, TypeError, yaml.YAMLError) as error:
        raise bad_request(f"the body of the request cannot be read as {content_type}: {error}") from error
    # Counting brackets is quick, and nothing is nested deeper than it has of them.
    if content.count(b"{") + content.count(b"[") > MOST_LEVELS:
        check_depth(body)
    return body


def check_depth(value: Any) -> None:
    """Raises ApiError 400 for what is nested so deeply that functions which call themselves would not get through."""
    level: list[Any] = [value]
    for _ in range(MOST_LEVELS):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> ApiError:
    return bad_request(f"the body of the request is nested more than {MOST_LEVELS} levels deep")


def _check_yaml(content: bytes) -> None:
    """Before anything is built of it. Raises ApiError 400 for deep nesting, ValueError for excessive aliasing."""
    known: dict[str, int] = {}
    open_: list[tuple[str | None, int]] = [(None, 0)]  # anchor and nodes so far, of what is not closed yet
    for event in yaml.parse(content, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            open_.append((event.anchor, 0))
            if len(open_) > MOST_LEVELS:
                raise _too_deep()
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_.pop()
        elif isinstance(event, yaml.ScalarEvent):
            anchor, size = event.anchor, 0
        elif isinstance(event, yaml.AliasEvent):
            anchor, size = (
                None,
                known.get(event.anchor or "", MOST_NODES),
            )  # of one that is still open: it would hold itself
        else:
            continue
        if anchor is not None:
            known[anchor] = size + 1
        parent, before = open_[-1]
        open_[-1] = parent, before + size + 1
        if before + size + 1 > MOST_NODES:
            raise ValueError("the document contains excessive aliasing")
