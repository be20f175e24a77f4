"""Spark's properties for one start: what the operator wrote, the pod's address, and the allocation."""

from __future__ import annotations

import re
from typing import Dict, Mapping, NamedTuple

from sparkiot_driver.allocation import Allocation

Properties = Dict[str, str]

MIN_HEAP_MIB = 450
"""Spark refuses a smaller executor heap: 1.5 times the 300 MiB that it reserves (UnifiedMemoryManager)."""
MAX_PREFIX = 47
"""Characters that Spark allows in spark.kubernetes.executor.podNamePrefix."""
DECOMMISSION = {
    "spark.decommission.enabled": "true",
    "spark.storage.decommission.enabled": "true",
    "spark.storage.decommission.replicationReattemptInterval": "2s",
}
"""Without the first two an executor that is told to go does not. It looks once an interval whether it handed over all
its blocks, so with Spark's own 30 s it stays half a minute longer than it must."""
_SIZE = re.compile(r"([0-9]+)\s*([kmgtp]?)b?$", re.IGNORECASE)
_SHIFT = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50}
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


class UnusableMemoryError(ValueError):
    """An executor's memory leaves no heap that Spark accepts, or a size cannot be read."""


class Memory(NamedTuple):
    """How the memory of an executor's pod is shared out, in MiB."""

    heap_mib: int
    overhead_mib: int


class Place(NamedTuple):
    """Where this driver runs: what Spark must know of its pod and of the cluster's API."""

    pod_ip: str
    pod_name: str
    api_url: str
    executor_template: str
    executor_prefix: str


def memory_split(memory_mib: int, properties: Mapping[str, str], *, factor: float, least_overhead_mib: int) -> Memory:
    """Heap and overhead so that the pod requests exactly ``memory_mib``.

    Spark adds to a pod's request what its Python workers (spark.executor.pyspark.memory) and the off-heap pool get,
    so both come off the heap. Raises UnusableMemoryError when less than Spark's least heap is left.
    """
    stated = properties.get("spark.executor.memoryOverhead")
    overhead = _mib(stated, unit="m") if stated else max(least_overhead_mib, int(factor * memory_mib))
    python = _mib(properties.get("spark.executor.pyspark.memory", "0"), unit="m")
    off_heap = 0
    if properties.get("spark.memory.offHeap.enabled", "false").lower() == "true":
        off_heap = _mib(properties.get("spark.memory.offHeap.size", "0"), unit="")
    heap = memory_mib - overhead - python - off_heap
    if heap < MIN_HEAP_MIB:
        raise UnusableMemoryError(
            f"executor memory of {memory_mib} MiB leaves {heap} MiB of heap after {overhead} MiB overhead, "
            f"{python} MiB for Python and {off_heap} MiB off-heap; Spark needs {MIN_HEAP_MIB} MiB: raise the memory"
        )
    return Memory(heap, overhead)


def executor_prefix(job: str, unique: str) -> str:
    """Start of the names of one start's executor pods: they never meet those of an earlier start."""
    room = MAX_PREFIX - len(unique) - 1
    return f"{job.replace('.', '-')[:room].rstrip('-')}-{unique}"


def start_properties(
    base: Mapping[str, str],
    allocation: Allocation,
    memory: Memory,
    place: Place,
    *,
    tiers: Mapping[str, Mapping[str, str]],
    compressions: Mapping[str, Mapping[str, str]],
) -> Properties:
    """All properties of one start of Spark. A tier or compression that is not listed adds nothing.

    ``base`` may state spark.master, which the operator refuses from its users: then the runtime adds nothing that
    belongs to Kubernetes, and any cluster manager of Spark serves, for trying and testing without Kubernetes.
    """
    result = {**DECOMMISSION, **base}
    result.update(tiers.get(allocation.tier, {}))
    result.update(compressions.get(allocation.compression, {}))
    result["spark.executor.instances"] = str(allocation.executors)
    result["spark.executor.memory"] = f"{memory.heap_mib}m"
    result["spark.executor.memoryOverhead"] = f"{memory.overhead_mib}m"
    result["spark.driver.host"] = place.pod_ip
    result["spark.driver.bindAddress"] = place.pod_ip
    if "spark.master" not in base:
        result["spark.master"] = "k8s://" + place.api_url
        result["spark.kubernetes.driver.pod.name"] = place.pod_name
        result["spark.kubernetes.executor.podNamePrefix"] = place.executor_prefix
        result["spark.kubernetes.executor.podTemplateFile"] = place.executor_template
    return result


def parse(text: str) -> Properties:
    """Properties of a ``.properties`` file, by the rules of ``java.util.Properties.load``."""
    result: Properties = {}
    for line in _logical_lines(text):
        key_end = _end_of_key(line)
        rest = line[key_end:].lstrip(" \t\f")
        if rest[:1] in ("=", ":"):
            rest = rest[1:].lstrip(" \t\f")
        result[_unescape(line[:key_end])] = _unescape(rest)
    return result


def render(properties: Mapping[str, str]) -> str:
    """A ``.properties`` file that ``java.util.Properties.load`` reads back unchanged; ASCII only."""
    return "".join(f"{_escape(k, ' =:#!')}={_escape(v, '')}\n" for k, v in sorted(properties.items()))


def _mib(size: str, *, unit: str) -> int:
    """MiB of a size as Spark writes it (``512m``, ``1g``), rounded up; a bare number is in ``unit``."""
    match = _SIZE.match(size.strip())
    if match is None:
        raise UnusableMemoryError(f"{size!r} is not a size such as 512m or 2g")
    size_bytes = int(match.group(1)) << _SHIFT[match.group(2).lower() or unit]
    return -(-size_bytes >> 20)


def _logical_lines(text: str) -> list[str]:
    lines: list[str] = []
    joined = ""
    for raw in re.split(r"\r\n|\n|\r", text):
        line = raw.lstrip(" \t\f")
        if not joined and (not line or line[0] in "#!"):
            continue
        joined += line
        if (len(joined) - len(joined.rstrip("\\"))) % 2:
            joined = joined[:-1]
            continue
        lines.append(joined)
        joined = ""
    return [*lines, joined] if joined else lines


def _end_of_key(line: str) -> int:
    escaped = False
    for position, char in enumerate(line):
        if not escaped and char in "=: \t\f":
            return position
        escaped = char == "\\" and not escaped
    return len(line)


def _unescape(text: str) -> str:
    def replace(match: re.Match[str]) -> str:
        code = match.group(1)
        return chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPES.get(code, code)

    plain = re.sub(r"\\(u[0-9a-fA-F]{4}|.|$)", replace, text)
    # Java's strings are UTF-16: a character beyond its first plane comes as two escapes.
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _escape(text: str, special: str) -> str:
    back = {value: "\\" + name for name, value in _ESCAPES.items()}
    parts = []
    for position, char in enumerate(text):
        if char in back:
            parts.append(back[char])
        elif char == "\\" or char in special or (char == " " and position == 0):
            parts.append("\\" + char)
        elif " " <= char <= "~":
            parts.append(char)
        else:
            pairs = char.encode("utf-16-be", "surrogatepass")
            parts.extend(f"\\u{pairs[i]:02x}{pairs[i + 1]:02x}" for i in range(0, len(pairs), 2))
    return "".join(parts)
