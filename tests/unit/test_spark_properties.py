"""Spark's properties: layers, what only the operator sets, memory, tiers, and the file that Java reads."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_spark import application_of, live_spec

from sparkiot_driver.allocation import Allocation
from sparkiot_driver.properties import DECOMMISSION, Memory, Place, start_properties
from sparkiot_operator.resource.spec import SparkIoTJobSpec
from sparkiot_operator.spark.memory import driver_heap_mib, executor_heap_mib, parse_spark_size
from sparkiot_operator.spark.properties import (
    RESIZE_PLUGIN,
    Capabilities,
    _defaults,
    format_properties,
    spark_properties,
)
from sparkiot_operator.spark.shuffle import compression_properties, tier_properties
from sparkiot_operator.spark.validation import problems
from sparkiot_policies.allocation import Compression, Tier

NOTHING = Capabilities(pod_resize=False)
RESIZES = Capabilities(pod_resize=True)
STARTED = Allocation(generation=1, executors=1, memory_mib=1024, tier="Warm", compression="LZ4")
PLACE = Place("10.0.0.7", "city-driver", "https://api", "/etc/sparkiot/executor-template.json", "city-1a2b")


def properties(spec: SparkIoTJobSpec, capabilities: Capabilities = NOTHING) -> dict[str, str]:
    return spark_properties(spec, application_of(spec), name="city-traffic", namespace="iot", capabilities=capabilities)


def read_properties(text: str) -> dict[str, str]:
    """The rules of java.util.Properties.load, for files without continued lines and comments."""
    found = {}
    for line in text.splitlines():
        parts: list[list[str]] = [[], []]
        side, chars = 0, iter(line)
        for char in chars:
            if char == "\\":
                escaped = next(chars)
                if escaped == "u":
                    parts[side].append(chr(int("".join(itertools.islice(chars, 4)), 16)))
                else:
                    parts[side].append({"t": "\t", "n": "\n", "r": "\r", "f": "\f"}.get(escaped, escaped))
            elif side == 0 and char in "=: \t\f":
                side = 1
            elif side == 1 and not parts[1] and char in " \t\f":
                continue
            else:
                parts[side].append(char)
        key, value = ("".join(p).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass") for p in parts)
        found[key] = value
    return found


@given(st.dictionaries(st.text(min_size=1, max_size=12), st.text(max_size=12), max_size=4))
def test_java_reads_back_what_is_written(properties: dict[str, str]) -> None:
    text = format_properties(properties)
    assert text.isascii()
    assert read_properties(text) == properties


def test_a_line_as_it_is_written() -> None:
    written = format_properties({"spark.a b": " x=ä\n😀", "spark.c": "a=b: c#!"})
    assert written == "spark.a\\ b=\\ x=\\u00e4\\n\\ud83d\\ude00\nspark.c=a=b: c#!\n"


def test_defaults_yield_to_the_user() -> None:
    theirs = {
        "spark.sql.streaming.checkpointLocation": "s3a://elsewhere",
        "spark.ui.retainedJobs": "5",
        "spark.app.name": "mine",
        "spark.kubernetes.executor.request.cores": "500m",
    }
    found = properties(live_spec(sparkConf=theirs))
    assert found.items() >= theirs.items()
    assert properties(live_spec())["spark.sql.streaming.checkpointLocation"] == "s3a://bucket/checkpoints/city"


def test_executors_that_join_get_tasks_at_once() -> None:
    """Spark's own wait for the executor with most of the input keeps all tasks of a batch of one file on it."""
    assert properties(live_spec())["spark.locality.wait"] == "0s"
    assert properties(live_spec(sparkConf={"spark.locality.wait": "1s"}))["spark.locality.wait"] == "1s"


def test_the_endless_life_of_a_stream_does_not_add_up_executor_failures() -> None:
    found = properties(live_spec(scaling={"executors": {"min": 1, "max": 40}}))
    assert found["spark.executor.maxNumFailures"] == "120"
    assert found["spark.executor.failuresValidityInterval"] == "1h"
    assert properties(live_spec())["spark.executor.maxNumFailures"] == "60"


@pytest.mark.parametrize(
    ("image", "stated", "policy"),
    [
        ("spark", None, "Always"),
        ("registry:5000/spark", None, "Always"),
        ("spark:latest", None, "Always"),
        ("spark:3.5.9", None, "IfNotPresent"),
        ("registry:5000/spark:3.5.9", None, "IfNotPresent"),
        ("spark:latest@sha256:" + "0" * 64, None, "IfNotPresent"),
        ("spark:latest", "Never", "Never"),
    ],
)
def test_executors_pull_their_image_as_the_driver_does(image: str, stated: str | None, policy: str) -> None:
    found = properties(live_spec(image=image, imagePullPolicy=stated))
    assert found["spark.kubernetes.container.image.pullPolicy"] == policy


def test_pull_secrets_and_labels_reach_executors() -> None:
    found = properties(live_spec(imagePullSecrets=["one", "two"]))
    assert found["spark.kubernetes.container.image.pullSecrets"] == "one,two"
    assert found["spark.kubernetes.executor.label.sparkiot.dev/job"] == "city-traffic"
    assert found["spark.kubernetes.executor.label.app.kubernetes.io/component"] == "executor"


@pytest.mark.parametrize(("version", "has"), [("3.5.9", False), ("4.1.0", False), ("4.2.0", True), ("5.0.0", True)])
def test_pods_are_resized_where_release_and_cluster_can(version: str, has: bool) -> None:
    spec = live_spec(sparkVersion=version, sparkConf={"spark.plugins": "com.example.A"})
    assert properties(spec, RESIZES)["spark.plugins"] == "com.example.A" + (f",{RESIZE_PLUGIN}" if has else "")
    assert properties(spec)["spark.plugins"] == "com.example.A"


def test_the_resize_plugin_is_there_once() -> None:
    spec = live_spec(sparkVersion="4.2.1", sparkConf={"spark.plugins": RESIZE_PLUGIN})
    assert properties(spec, RESIZES)["spark.plugins"] == RESIZE_PLUGIN
    assert properties(live_spec(sparkVersion="4.2.1"), RESIZES)["spark.plugins"] == RESIZE_PLUGIN


@pytest.mark.parametrize(
    "key",
    [
        "spark.master",
        "spark.submit.deployMode",
        "spark.dynamicAllocation.enabled",
        "spark.dynamicAllocation.maxExecutors",
        "spark.executor.instances",
        "spark.executor.memory",
        "spark.executor.cores",
        "spark.driver.memory",
        "spark.driver.host",
        "spark.driver.bindAddress",
        "spark.driver.port",
        "spark.kubernetes.namespace",
        "spark.kubernetes.driver.pod.name",
        "spark.kubernetes.container.image",
        "spark.kubernetes.executor.container.image",
        "spark.kubernetes.executor.podTemplateFile",
        "spark.kubernetes.executor.podNamePrefix",
        "spark.kubernetes.executor.label.sparkiot.dev/job",
        "spark.kubernetes.authenticate.driver.serviceAccountName",
        "spark.io.compression.codec",
        "spark.remote",
        "spark.yarn.executor.memoryOverhead",
        "spark.kubernetes.driver.podTemplateFile",
        "spark.kubernetes.driver.pod.featureSteps",
        "spark.kubernetes.driver.volumes.hostPath.root.mount.path",
        "spark.kubernetes.driver.secrets.database",
        "spark.kubernetes.driver.secretKeyRef.PASSWORD",
        "spark.kubernetes.driverEnv.JAVA_TOOL_OPTIONS",
        "spark.kubernetes.executor.pod.featureSteps",
        "spark.kubernetes.executor.secretKeyRef.SPARKIOT_TIER_HOT_URL",
        "spark.executorEnv.SPARKIOT_TIER_HOT_URL",
    ],
)
def test_what_the_operator_must_own_is_refused(key: str) -> None:
    (problem,) = problems(live_spec(sparkConf={key: "x"}))
    assert problem.field == f"spec.application.sparkConf[{key}]"
    assert "cannot be set here" in problem.message


@pytest.mark.parametrize(
    "key", ["spark.master ", " spark.master", "spark.mas\tter", "spark.executor.cores\n", "sparc.x"]
)
def test_a_name_that_only_looks_like_a_property_is_refused(key: str) -> None:
    (problem,) = problems(live_spec(sparkConf={key: "x"}))
    assert "has no blanks" in problem.message


@pytest.mark.parametrize("pod", ["driver", "executor"])
@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("-Dspark.master=local[*]", "-Dspark."),
        ("-ea -Xmx16g", "-Xmx"),
        ("-ea '-Xm'x16g", "-Xmx"),
        ("\\-Xmx16g", "-Xmx"),
        ("-XX:MaxRAMPercentage=90", "-XX:MaxRAM"),
        ("-agentlib:jdwp=transport=dt_socket,server=y,address=*:5005", "-agentlib:jdwp"),
        ("-Dcom.sun.management.jmxremote.port=9010", "-Dcom.sun.management.jmxremote"),
        ("@/opt/app/options", "@"),
    ],
)
def test_options_that_open_a_door_or_outgrow_the_pod_are_refused(pod: str, options: str, found: str) -> None:
    (problem,) = problems(live_spec(sparkConf={f"spark.{pod}.extraJavaOptions": options}))
    assert f"{found}… is refused" in problem.message
    assert problems(live_spec(sparkConf={f"spark.{pod}.extraJavaOptions": "-Dmail=a@b -javaagent:/opt/jmx.jar"})) == []


def test_whatever_operator_and_runtime_set_cannot_be_stated() -> None:
    """A property that joins theirs joins the list; the overhead is the one that a user may size."""
    spec = live_spec(imagePullSecrets=["registry"])
    plain, stated = properties(spec), properties(live_spec(imagePullSecrets=["registry"], sparkConf={"spark.a": "b"}))
    by_operator = {key for key in plain if key not in _defaults(spec, application_of(spec), "city-traffic")}
    assert stated.keys() - plain.keys() == {"spark.a"}
    start = start_properties({}, STARTED, Memory(512, 512), PLACE, tiers={}, compressions={})
    by_runtime = start.keys() - DECOMMISSION.keys() - {"spark.executor.memoryOverhead"}
    assert {"spark.master", "spark.kubernetes.namespace"} <= by_operator | by_runtime
    for key in by_operator | by_runtime:
        assert problems(live_spec(sparkConf={key: "1"})), key


def test_every_other_problem_names_its_field_too() -> None:
    spec = live_spec(
        sparkConf={"sparc.typo": "x", "spark.executor.memoryOverhead": "much"},
        executor={"template": {"spec": {"volumes": [{"emptyDir": {}}]}, "spce": {}}},
        driver={"template": {"spec": {"containers": {}}}},
    )
    assert [problem.field for problem in problems(spec)] == [
        "spec.application.sparkConf[sparc.typo]",
        "spec.application.sparkConf[spark.executor.memoryOverhead]",
        "spec.application.driver.template.spec.containers",
        "spec.application.executor.template.spce",
        "spec.application.executor.template.spec.volumes[0]",
    ]


def test_a_secret_is_not_repeated() -> None:
    key = "spark.kubernetes.authenticate.oauthToken"
    (problem,) = problems(live_spec(sparkConf={key: "hunter2"}))
    assert "hunter2" not in str(problem)


def test_a_sound_spec_has_no_problems() -> None:
    assert problems(live_spec()) == []


@pytest.mark.parametrize(
    ("memory", "conf", "heap"),
    [
        ("1Gi", {}, 512),
        ("2Gi", {}, 1434),
        ("8Gi", {}, 5735),
        ("2Gi", {"spark.driver.memoryOverhead": "1g"}, 1024),
    ],
)
def test_the_driver_leaves_memory_to_python(memory: str, conf: dict[str, str], heap: int) -> None:
    spec = live_spec(driver={"memory": memory}, sparkConf=conf)
    assert driver_heap_mib(application_of(spec)) == heap
    assert properties(spec)["spark.driver.memory"] == f"{heap}m"


def test_an_executors_heap_is_what_nothing_else_takes() -> None:
    conf = {
        "spark.executor.memoryOverhead": "500",
        "spark.executor.pyspark.memory": "100m",
        "spark.memory.offHeap.enabled": "true",
        "spark.memory.offHeap.size": str(200 << 20),
    }
    assert executor_heap_mib(application_of(live_spec(sparkConf=conf)), 2048) == 2048 - 500 - 100 - 200
    assert executor_heap_mib(application_of(live_spec()), 4096) == 4096 - 819
    assert executor_heap_mib(application_of(live_spec()), 1024) == 1024 - 384


def test_memory_that_spark_cannot_start_with_is_refused_with_the_least_that_it_can() -> None:
    spec = live_spec(driver={"memory": "600Mi"}, scaling={"memory": {"min": "512Mi", "max": "2Gi"}})
    driver, executor = problems(spec)
    assert (driver.field, executor.field) == ("spec.application.driver.memory", "spec.scaling.memory.min")
    assert "state 992Mi or more" in driver.message
    assert "state 864Mi or more" in executor.message
    enough = live_spec(driver={"memory": "992Mi"}, scaling={"memory": {"min": "864Mi", "max": "2Gi"}})
    assert problems(enough) == []


@pytest.mark.parametrize(
    ("text", "mib"), [("512", 512), ("512m", 512), ("1g", 1024), ("1GB", 1024), ("1k", 1), ("1t", 1 << 20), ("0", 0)]
)
def test_sizes_are_read_as_spark_reads_them(text: str, mib: int) -> None:
    assert parse_spark_size(text) == mib


@pytest.mark.parametrize("text", ["", "1.5g", "-1", "1x", "g"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_spark_size(text)


BLOCKS = "iot/u1/"


def test_tiers_become_local_directories() -> None:
    spec = live_spec(shuffle={"tiers": {"warm": {"volume": {"hostPath": "/mnt/nvme"}}}})
    volumes = "spark.kubernetes.executor.volumes.hostPath."
    local, beside = (
        {f"{volumes}{name}.mount.path": "/mnt/nvme", f"{volumes}{name}.options.path": "/mnt/nvme"}
        for name in ("spark-local-dir-1", "sparkiot-warm")
    )
    assert tier_properties(spec, BLOCKS) == {
        Tier.HOT: {"spark.kubernetes.local.dirs.tmpfs": "true", **beside},
        Tier.WARM: local,
        Tier.COLD: beside,
        Tier.ARCHIVE: beside,
    }
    assert tier_properties(live_spec(), BLOCKS)[Tier.WARM] == {}


FALLBACK = "spark.storage.decommission.fallbackStorage."
FOLDER = {"volume": {"mountPath": "/blocks/", "shared": True}}
BUCKET = {
    "s3": {
        "bucket": "shuffle",
        "prefix": "jobs/",
        "endpoint": "http://s3:8333",
        "region": "eu-1",
        "hadoopAws": True,
        "credentialsFrom": {
            "accessKeyId": {"secretKeyRef": {"name": "s3", "key": "id"}},
            "secretAccessKey": {"secretKeyRef": {"name": "s3", "key": "key"}},
        },
    }
}


def test_a_shared_folder_takes_the_blocks_of_the_last_executor() -> None:
    spec = live_spec(shuffle={"tiers": {"warm": FOLDER}})
    fallback = {f"{FALLBACK}path": "file:///blocks/iot/u1/fallback/", f"{FALLBACK}cleanUp": "true"}
    assert tier_properties(spec, BLOCKS) == {
        Tier.HOT: {"spark.kubernetes.local.dirs.tmpfs": "true", **fallback},
        Tier.WARM: fallback,
        Tier.COLD: fallback,
        Tier.ARCHIVE: fallback,
    }


def test_a_bucket_takes_them_where_the_image_has_hadoop_aws_and_credentials_stay_in_the_environment() -> None:
    found = tier_properties(live_spec(shuffle={"tiers": {"cold": BUCKET}}), BLOCKS)
    own = "spark.hadoop.fs.s3a.bucket.shuffle."
    assert found[Tier.COLD] == {
        f"{FALLBACK}path": "s3a://shuffle/jobs/iot/u1/fallback/",
        f"{FALLBACK}cleanUp": "true",
        f"{own}endpoint": "http://s3:8333",
        f"{own}path.style.access": "true",
        f"{own}endpoint.region": "eu-1",
        f"{own}access.key": "${env.SPARKIOT_TIER_COLD_ACCESS_KEY_ID}",
        f"{own}secret.key": "${env.SPARKIOT_TIER_COLD_SECRET_ACCESS_KEY}",
    }
    assert found[Tier.WARM] == found[Tier.COLD], "the only place that there is"


def test_fast_tiers_prefer_the_folder_and_others_the_bucket() -> None:
    found = tier_properties(live_spec(shuffle={"tiers": {"warm": FOLDER, "cold": BUCKET}}), BLOCKS)
    places = {tier.value: properties[f"{FALLBACK}path"].partition(":")[0] for tier, properties in found.items()}
    assert places == {"Hot": "file", "Warm": "file", "Cold": "s3a", "Archive": "s3a"}


@pytest.mark.parametrize("stated", ["", "s3a://mine/"])
def test_no_fallback_storage_is_set_unasked_or_against_the_users_word(stated: str) -> None:
    """A block in it that cannot be read fails the job, and a bucket that cannot be opened keeps blocks from peers."""
    shared = {"warm": FOLDER, "cold": BUCKET} if stated else {"warm": {"volume": {"mountPath": "/blocks"}}}
    spec = live_spec(sparkConf={f"{FALLBACK}path": stated} if stated else {}, shuffle={"tiers": shared})
    for properties in tier_properties(spec, BLOCKS).values():
        assert not any(key.startswith((FALLBACK, "spark.hadoop")) for key in properties)


def test_a_folder_that_the_templates_mount_is_not_mounted_again() -> None:
    spec = live_spec(shuffle={"tiers": {"warm": {"volume": {"mountPath": "/blocks"}}}})
    assert tier_properties(spec, BLOCKS) == tier_properties(live_spec(), BLOCKS)


def test_local_directories_of_the_users_own_stay_alone() -> None:
    volume = "spark.kubernetes.executor.volumes.hostPath.spark-local-dir-1.mount.path"
    assert not any(tier_properties(live_spec(sparkConf={volume: "/ssd"}), BLOCKS).values())
    warm = {"tiers": {"warm": {"volume": {"hostPath": "/mnt/nvme"}}}}
    found = tier_properties(live_spec(sparkConf={volume: "/ssd"}, shuffle=warm), BLOCKS)
    beside = "spark.kubernetes.executor.volumes.hostPath.sparkiot-warm.mount.path"
    assert all(properties[beside] == "/mnt/nvme" for properties in found.values()), "the tiered shuffle needs it"
    assert not any(tier_properties(live_spec(sparkConf={volume: "/mnt/nvme/"}, shuffle=warm), BLOCKS).values())


def test_every_compression_states_all_it_needs() -> None:
    found = compression_properties()
    assert found[Compression.LZ4]["spark.io.compression.codec"] == "lz4"
    assert found[Compression.ZSTD]["spark.io.compression.codec"] == "zstd"
    assert found[Compression.NONE]["spark.shuffle.compress"] == "false"
    assert all("spark.shuffle.spill.compress" in stated for stated in found.values())
