"""How a container's memory is split between the JVM's heap and everything else in it."""

import re

from sparkiot_operator.resource.spec import Application
from sparkiot_policies.allocation import parse_memory

MIN_HEAP_MIB = 480
"""Spark refuses to start below 450 MiB as the JVM reports it, which is less than -Xmx by a survivor space."""
MIN_EXECUTOR_OVERHEAD_MIB = 384
"""Spark's own minimum."""
EXECUTOR_OVERHEAD_FACTOR = 0.2
"""Share of an executor pod's memory beside the heap: JVM, network buffers, a few Python workers."""
MIN_DRIVER_OVERHEAD_MIB = 512
"""The driver's JVM beside its heap takes some 300 MiB, the application's Python process 100, our runtime 50."""
DRIVER_OVERHEAD_FACTOR = 0.3
"""Share of the driver's memory beside the heap; Spark's 0.4 for Python applications, which counts from the heap."""

EXECUTOR_OVERHEAD_KEY = "spark.executor.memoryOverhead"
DRIVER_OVERHEAD_KEY = "spark.driver.memoryOverhead"

_SIZE = re.compile(r"^([0-9]+)(b|k|kb|m|mb|g|gb|t|tb)?$", re.IGNORECASE)
_MIB = {"b": 1 / (1 << 20), "k": 1 / 1024, "m": 1, "g": 1024, "t": 1 << 20}


def driver_heap_mib(application: Application) -> int:
    """Heap of the driver's JVM in MiB; the rest of ``driver.memory`` is left to its Python processes and the JVM."""
    memory = parse_memory(application.driver.memory)
    return memory - _overhead(
        application, DRIVER_OVERHEAD_KEY, memory, minimum=MIN_DRIVER_OVERHEAD_MIB, factor=DRIVER_OVERHEAD_FACTOR
    )


def executor_heap_mib(application: Application, memory_mib: int) -> int:
    """Heap of an executor of so much memory in MiB, as the runtime in the driver splits it."""
    return memory_mib - _overhead(
        application,
        EXECUTOR_OVERHEAD_KEY,
        memory_mib,
        minimum=MIN_EXECUTOR_OVERHEAD_MIB,
        factor=EXECUTOR_OVERHEAD_FACTOR,
    )


def parse_spark_size(text: str) -> int:
    """MiB of a size such as ``512``, ``512m`` or ``1g``: a bare number is MiB. Raises ValueError for anything else."""
    found = _SIZE.match(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a size such as 512m or 1g")
    number, unit = found.groups()
    return int(int(number) * _MIB[(unit or "m")[0].lower()])


def _overhead(application: Application, key: str, memory: int, *, minimum: int, factor: float) -> int:
    stated = application.spark_conf.get(key)
    return max(minimum, int(memory * factor)) if stated is None else parse_spark_size(stated)
