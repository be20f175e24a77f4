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
PYTHON_KEY = "spark.executor.pyspark.memory"
OFF_HEAP_KEY = "spark.memory.offHeap.size"
OFF_HEAP_ENABLED_KEY = "spark.memory.offHeap.enabled"
SIZE_KEYS = (DRIVER_OVERHEAD_KEY, EXECUTOR_OVERHEAD_KEY, PYTHON_KEY, OFF_HEAP_KEY)
"""Properties that the split reads; in MiB where they state no unit, but the off-heap pool's in bytes."""

_SIZE = re.compile(r"^([0-9]+)(b|k|kb|m|mb|g|gb|t|tb)?$", re.IGNORECASE)
_SHIFT = {"b": 0, "k": 10, "m": 20, "g": 30, "t": 40}


def driver_heap_mib(application: Application) -> int:
    """Heap of the driver's JVM in MiB; the rest of ``driver.memory`` is left to its Python processes and the JVM."""
    memory = parse_memory(application.driver.memory)
    return memory - _overhead(
        application, DRIVER_OVERHEAD_KEY, memory, minimum=MIN_DRIVER_OVERHEAD_MIB, factor=DRIVER_OVERHEAD_FACTOR
    )


def executor_heap_mib(application: Application, memory_mib: int) -> int:
    """Heap of an executor of so much memory in MiB, as the runtime in the driver splits it.

    What Spark gives to Python workers and to its off-heap pool comes off it too, so that the pod requests the memory
    that the policy decided.
    """
    overhead = _overhead(
        application,
        EXECUTOR_OVERHEAD_KEY,
        memory_mib,
        minimum=MIN_EXECUTOR_OVERHEAD_MIB,
        factor=EXECUTOR_OVERHEAD_FACTOR,
    )
    conf = application.spark_conf
    python = parse_spark_size(conf.get(PYTHON_KEY, "0"))
    off_heap = 0
    if conf.get(OFF_HEAP_ENABLED_KEY, "false").strip().lower() == "true":
        off_heap = parse_spark_size(conf.get(OFF_HEAP_KEY, "0"), unit="b")
    return memory_mib - overhead - python - off_heap


def parse_spark_size(text: str, *, unit: str = "m") -> int:
    """MiB of a size such as ``512``, ``512m`` or ``1g``, rounded up. unit: of a bare number, ``b`` or ``m``.

    Raises ValueError for anything else.
    """
    found = _SIZE.match(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a size such as 512m or 1g")
    number, stated = found.groups()
    return -(-(int(number) << _SHIFT[(stated or unit)[0].lower()]) >> _SHIFT["m"])


def _overhead(application: Application, key: str, memory: int, *, minimum: int, factor: float) -> int:
    stated = application.spark_conf.get(key)
    return max(minimum, int(memory * factor)) if stated is None else parse_spark_size(stated)
