"""The properties of one start of Spark: file format, memory split, what the runtime adds."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkiot_driver.allocation import Allocation
from sparkiot_driver.properties import (
    MIN_HEAP_MIB,
    Memory,
    Place,
    UnusableMemoryError,
    executor_prefix,
    memory_split,
    parse,
    render,
    start_properties,
)

PLACE = Place("10.0.0.7", "city-driver", "https://[fd00::1]:443", "/etc/sparkiot/executor-template.json", "city-1a2b")
WANTED = Allocation(generation=4, executors=3, memory_mib=2048, tier="Hot", compression="ZSTD")
TEXT = st.text(st.characters(codec="utf-8"), max_size=30)


@given(st.dictionaries(TEXT.filter(bool), TEXT, max_size=5))
def test_what_is_written_is_read_back(properties: dict[str, str]) -> None:
    text = render(properties)
    assert text.isascii()
    assert parse(text) == properties


def test_the_file_is_read_as_java_reads_it() -> None:
    text = (
        "# note\n! note\n\n a = 1 \nb:2\nc 3\nd\\ e\\=f = x\\ty\\\\\n"
        "g = one, \\\n   two\nh\ni=\\u00e9\\ud83d\\ude00\nj = = k\n"
    )
    assert parse(text) == {
        "a": "1 ",
        "b": "2",
        "c": "3",
        "d e=f": "x\ty\\",
        "g": "one, two",
        "h": "",
        "i": "é😀",
        "j": "= k",
    }


@given(st.integers(512, 65536), st.floats(0, 0.5), st.integers(0, 1024), st.integers(0, 1024), st.booleans())
def test_the_pod_requests_exactly_the_allocations_memory(
    memory: int, factor: float, least: int, python: int, off_heap: bool
) -> None:
    properties = {
        "spark.executor.pyspark.memory": f"{python}m",
        "spark.memory.offHeap.enabled": str(off_heap).lower(),
        "spark.memory.offHeap.size": "100m",
    }
    try:
        split = memory_split(memory, properties, factor=factor, least_overhead_mib=least)
    except UnusableMemoryError:
        overhead = max(least, int(factor * memory))
        assert memory - overhead - python - 100 * off_heap < MIN_HEAP_MIB
        return
    assert split.heap_mib + split.overhead_mib + python + 100 * off_heap == memory
    assert split.overhead_mib >= least
    assert split.heap_mib >= MIN_HEAP_MIB


def test_a_stated_overhead_wins() -> None:
    stated = {"spark.executor.memoryOverhead": "1g"}
    assert memory_split(3072, stated, factor=0.2, least_overhead_mib=384) == Memory(2048, 1024)
    assert memory_split(3072, {"spark.executor.memoryOverhead": "512"}, factor=0.2, least_overhead_mib=384) == Memory(
        2560, 512
    )


def test_unusable_memory_says_how_it_is_shared_out() -> None:
    with pytest.raises(UnusableMemoryError, match="768 MiB leaves 384 MiB of heap after 384 MiB overhead"):
        memory_split(768, {}, factor=0.2, least_overhead_mib=384)


def test_a_start_on_kubernetes() -> None:
    result = start_properties(
        {"spark.app.name": "city", "spark.decommission.enabled": "false"},
        WANTED,
        Memory(1664, 384),
        PLACE,
        tiers={"Hot": {"spark.local.dir": "/ram"}, "Cold": {"spark.local.dir": "/s3"}},
        compressions={"ZSTD": {"spark.io.compression.codec": "zstd"}},
    )
    assert result == {
        "spark.app.name": "city",
        "spark.decommission.enabled": "false",
        "spark.storage.decommission.enabled": "true",
        "spark.storage.decommission.replicationReattemptInterval": "2s",
        "spark.local.dir": "/ram",
        "spark.io.compression.codec": "zstd",
        "spark.executor.instances": "3",
        "spark.executor.memory": "1664m",
        "spark.executor.memoryOverhead": "384m",
        "spark.driver.host": "10.0.0.7",
        "spark.driver.bindAddress": "10.0.0.7",
        "spark.master": "k8s://https://[fd00::1]:443",
        "spark.kubernetes.driver.pod.name": "city-driver",
        "spark.kubernetes.executor.podNamePrefix": "city-1a2b",
        "spark.kubernetes.executor.podTemplateFile": "/etc/sparkiot/executor-template.json",
    }


def test_names_of_executor_pods_fit_and_differ_by_start() -> None:
    assert executor_prefix("city.traffic", "1a2b3c4d") == "city-traffic-1a2b3c4d"
    assert executor_prefix("a" * 37 + "-" + "b" * 60, "1a2b3c4d") == "a" * 37 + "-1a2b3c4d"
    assert len(executor_prefix("a" * 200, "1a2b3c4d")) == 47


def test_a_stated_master_gets_nothing_of_kubernetes() -> None:
    result = start_properties(
        {"spark.master": "local-cluster[3,1,1024]"}, WANTED, Memory(640, 384), PLACE, tiers={}, compressions={}
    )
    assert result["spark.master"] == "local-cluster[3,1,1024]"
    assert not [key for key in result if key.startswith("spark.kubernetes.")]
    assert result["spark.executor.memory"] == "640m"


def test_the_module_needs_nothing_but_the_standard_library() -> None:
    """In an interpreter that sees no installed package, all but the modules that run inside Spark import."""
    code = (
        "import sys; sys.path.insert(0, 'operator')\n"
        "import sparkiot_driver.__main__, sparkiot_driver.install\n"
        "assert 'pyspark' not in sys.modules"
    )
    subprocess.run(["python3", "-S", "-I", "-c", code], check=True)
