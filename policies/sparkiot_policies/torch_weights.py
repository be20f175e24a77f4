"""Reading the tensors of a PyTorch file without unpickling it.

A ``.pth`` file is a zip of raw storages and a pickle that says which tensor lies where. A pickle is a program, and
Python's unpickler runs it. Here a small interpreter walks its instructions instead: it knows dictionaries, tuples,
numbers, text and the tensors' description, calls nothing, and refuses every instruction and every name beyond that.
(PyTorch's own ``weights_only`` loader works the same way, but needs PyTorch.)
"""

import io
import pickletools
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .archive import MIB, UNREADABLE
from .errors import ArtifactError

MAX_PICKLE = 4 * MIB
MAX_STORAGE = 64 * MIB
MAX_STEPS = 200_000
"""Instructions of the pickle; a tensor takes about fifty."""

DICT = "collections OrderedDict"
TENSOR = "torch._utils _rebuild_tensor_v2"
FLOATS = "torch FloatStorage"
ALLOWED_NAMES = frozenset({DICT, TENSOR, FLOATS})

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Name:
    """A module and a name in it, as the pickle asked for it. It is never imported."""

    name: str


@dataclass(frozen=True, slots=True)
class _Storage:
    """A run of float32 in one member of the zip."""

    key: str


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A view of a storage: offset, size and strides in elements."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _Mark:
    """Where a tuple or a batch of items begins on the stack."""


def read_tensors(data: bytes, source: str) -> dict[str, Array]:
    """The float32 tensors of a state dictionary by their name, as read-only views.

    Raises ArtifactError, beginning with ``source``, when the file is damaged or asks for more than tensors.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {i.filename: i.file_size for i in archive.infolist()}
            root = next((m.removesuffix("/data.pkl") for m in members if m.endswith("/data.pkl")), None)
            if root is None:
                raise ArtifactError(f"{source}: not a PyTorch file: data.pkl is missing")
            if members.get(f"{root}/byteorder") and archive.read(f"{root}/byteorder") != b"little":
                raise ArtifactError(f"{source}: written on a big-endian machine")
            described = _run(_member(archive, f"{root}/data.pkl", MAX_PICKLE, source), source)
            return _materialise(described, archive, root, source)
    except (*UNREADABLE, KeyError) as e:
        raise ArtifactError(f"{source}: damaged, or not a PyTorch file: {e}") from e


def _member(archive: zipfile.ZipFile, name: str, limit: int, source: str) -> bytes:
    with archive.open(name) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ArtifactError(f"{source}: {name} is larger than {limit // MIB} MiB")
    return content


def _materialise(described: dict[str, Any], archive: zipfile.ZipFile, root: str, source: str) -> dict[str, Array]:
    storages: dict[str, Array] = {}
    left = MAX_STORAGE
    tensors = {}
    for name, tensor in described.items():
        if not isinstance(tensor, _Tensor):
            raise ArtifactError(f"{source}: {name[:80]!r} is not a tensor")
        key = tensor.storage.key
        if key not in storages:
            content = _member(archive, f"{root}/data/{key}", left, source)
            left -= len(content)
            storages[key] = np.frombuffer(content, dtype="<f4")
        tensors[name] = _view(storages[key], tensor, f"{source}: {name}")
    return tensors


def _view(storage: Array, tensor: _Tensor, what: str) -> Array:
    numbers = (tensor.offset, *tensor.size, *tensor.stride)
    if not all(type(n) is int and n >= 0 for n in numbers) or len(tensor.size) != len(tensor.stride):
        raise ArtifactError(f"{what} has an impossible shape")
    last = tensor.offset + sum((n - 1) * s for n, s in zip(tensor.size, tensor.stride, strict=True))
    # More elements than the storage holds would be a view that repeats itself, which no weight is.
    if 0 in tensor.size or last >= storage.size or np.prod(tensor.size, dtype=object) > storage.size:
        raise ArtifactError(f"{what} reaches beyond its data")
    strides = [s * storage.itemsize for s in tensor.stride]
    return np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.size, strides, writeable=False)


def _run(program: bytes, source: str) -> dict[str, Any]:
    """What the pickle describes: a dictionary of tensors."""
    machine = _Machine(source)
    try:
        for step, (operation, argument, _) in enumerate(pickletools.genops(program)):
            if step >= MAX_STEPS:
                raise ArtifactError(f"{source}: data.pkl has more than {MAX_STEPS} instructions")
            machine.step(operation.name, argument)
        result = machine.stack.pop()
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as e:
        raise ArtifactError(f"{source}: data.pkl is damaged: {e}") from e
    if not isinstance(result, dict):
        raise ArtifactError(f"{source}: data.pkl holds no dictionary of tensors")
    return result


class _Machine:
    """The pickle's stack and memo. Values are plain data or the descriptions above, so that no step has an effect."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        if name in _IGNORED:
            return
        if name in _LITERALS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _OPERATIONS:
            _OPERATIONS[name](self, argument)
        else:
            raise ArtifactError(f"{self.source}: instruction {name} is not allowed")

    def mark(self, _: Any) -> None:
        self.stack.append(_Mark())

    def put(self, slot: int | None) -> None:
        self.memo[len(self.memo) if slot is None else slot] = self.stack[-1]

    def get(self, slot: int) -> None:
        self.stack.append(self.memo[slot])

    def tuple_since_mark(self, _: Any) -> None:
        self.stack.append(tuple(self._since_mark()))

    def empty_dict(self, _: Any) -> None:
        self.stack.append({})

    def set_item(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set(key, value)

    def set_items(self, _: Any) -> None:
        items = self._since_mark()
        for key, value in zip(items[::2], items[1::2], strict=True):
            self._set(key, value)

    def name(self, module_and_name: str) -> None:
        if module_and_name not in ALLOWED_NAMES:
            what = module_and_name.replace(" ", ".")
            raise ArtifactError(f"{self.source}: asks for {what}; only float32 tensors are read")
        self.stack.append(_Name(module_and_name))

    def stack_name(self, _: Any) -> None:
        attribute, module = self.stack.pop(), self.stack.pop()
        self.name(f"{module} {attribute}")

    def storage(self, _: Any) -> None:
        match self.stack.pop():
            case ("storage", _Name(name), str(key), str(), int()) if name == FLOATS:
                self.stack.append(_Storage(key))
            case _:
                raise TypeError("a storage is not described as PyTorch does")

    def describe(self, _: Any) -> None:
        """What a call would make, of the two that a state dictionary holds."""
        arguments, function = self.stack.pop(), self.stack.pop()
        match function, arguments:
            case _Name(name), () if name == DICT:
                self.stack.append({})
            case _Name(name), (_Storage() as storage, int(offset), tuple(size), tuple(stride), *_) if name == TENSOR:
                self.stack.append(_Tensor(storage, offset, size, stride))
            case _:
                raise TypeError("a tensor is not described as PyTorch does")

    def drop_metadata(self, _: Any) -> None:
        """The state dictionary's ``_metadata``: versions of modules, which nothing here needs."""
        self.stack.pop()
        self._dict()

    def _since_mark(self) -> list[Any]:
        items: list[Any] = []
        while not isinstance(item := self.stack.pop(), _Mark):
            items.append(item)
        return items[::-1]

    def _set(self, key: Any, value: Any) -> None:
        # Text only: hashing a forged key of deeply nested tuples would overflow the interpreter's stack.
        if not isinstance(key, str):
            raise TypeError(f"a {type(key).__name__} as a key")
        self._dict()[key] = value

    def _dict(self) -> dict[str, Any]:
        top = self.stack[-1]
        if not isinstance(top, dict):
            raise TypeError(f"a {type(top).__name__} where a dictionary is needed")
        return top


def _tuple_of(size: int) -> "Callable[[_Machine, Any], None]":
    def operation(machine: _Machine, _: Any) -> None:
        machine.stack.append(tuple(reversed([machine.stack.pop() for _ in range(size)])))

    return operation


_IGNORED = frozenset({"PROTO", "FRAME", "STOP"})
_LITERALS = frozenset({"BINUNICODE", "SHORT_BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1"})
_CONSTANTS: Mapping[str, Any] = {"NEWTRUE": True, "NEWFALSE": False, "NONE": None, "EMPTY_TUPLE": ()}
_OPERATIONS: Mapping[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.put,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "TUPLE": _Machine.tuple_since_mark,
    "EMPTY_DICT": _Machine.empty_dict,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.stack_name,
    "BINPERSID": _Machine.storage,
    "REDUCE": _Machine.describe,
    "BUILD": _Machine.drop_metadata,
}
