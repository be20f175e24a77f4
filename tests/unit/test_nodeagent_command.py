"""From a container's manifest to the program that runs: paths, variables, Spark's executors."""

from dataclasses import replace
from pathlib import Path

import pytest

from sparkiot_sim.nodeagent.command import CommandError, argv, executor_argv, expand, rewriter
from sparkiot_sim.nodeagent.images import Runtime

RUNTIME = Runtime(python=Path("/venv/bin/python"), spark_home=Path("/spark"), java_home=Path("/java"))
PLACES = {"/opt/sparkiot": Path("/n/a"), "/opt/sparkiot-work": Path("/n/b"), "/etc/config/": Path("/n/c")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/opt/sparkiot", "/n/a"),
        ("/opt/sparkiot/x.py", "/n/a/x.py"),
        ("/opt/sparkiot-work/q", "/n/b/q"),
        ("/opt/sparkiot-other", "/opt/sparkiot-other"),
        ("/opt/sparkiot.old", "/opt/sparkiot.old"),
        ("/host/opt/sparkiot", "/host/opt/sparkiot"),
        ("s3a://bucket/etc/config", "s3a://bucket/etc/config"),
        ("file:///etc/config/a", "file:///n/c/a"),
        ("/etc/config:/opt/sparkiot", "/n/c:/n/a"),
        ("--conf=spark.x=/etc/config/a,/opt/sparkiot", "--conf=spark.x=/n/c/a,/n/a"),
        ("reads /etc/config.", "reads /n/c."),
    ],
)
def test_mount_paths_are_replaced_at_boundaries(text: str, expected: str) -> None:
    assert rewriter(PLACES)(text) == expected


def test_replaced_paths_are_not_replaced_again_and_tmp_is_left_alone() -> None:
    rewrite = rewriter({"/a": Path("/b/a"), "/b": Path("/c"), "/tmp": Path("/n/tmp"), "/same": Path("/same")})
    assert rewrite("/a /b /tmp/x /same") == "/b/a /c /tmp/x /same"
    assert rewriter({})("/a") == "/a"


def test_references_to_variables() -> None:
    assert expand("$(A)-$$(A)-$(NONE)-$A", {"A": "1"}) == "1-$(A)-$(NONE)-$A"


def test_python_is_the_interpreter_of_the_image() -> None:
    container = {"command": ["python3", "-m", "x"], "args": ["$(HOME)", "/etc/config/a"]}
    assert argv(container, RUNTIME, {"HOME": "/h"}, rewriter(PLACES)) == [
        *("/venv/bin/python", "-m", "x", "/h", "/n/c/a"),
    ]
    assert argv({"args": ["/bin/echo"]}, RUNTIME, {}, rewriter({})) == ["/bin/echo"]
    with pytest.raises(CommandError, match="no command specified"):
        argv({}, RUNTIME, {}, rewriter({}))


EXECUTOR = {
    "SPARK_DRIVER_URL": "spark://d:7078",
    "SPARK_EXECUTOR_ID": "3",
    "SPARK_EXECUTOR_CORES": "2",
    "SPARK_EXECUTOR_MEMORY": "512m",
    "SPARK_APPLICATION_ID": "app",
    "SPARK_EXECUTOR_POD_IP": "127.70.0.4",
    "SPARK_EXECUTOR_POD_NAME": "p-exec-3",
    "SPARK_RESOURCE_PROFILE_ID": "0",
    "SPARK_CONF_DIR": "/n/conf",
    "SPARK_JAVA_OPT_10": "-Dlast=1",
    "SPARK_JAVA_OPT_9": "-Dfirst=a b",
}


def test_an_executor_runs_as_sparks_entry_point_does() -> None:
    container = {"args": ["executor"]}
    assert argv(container, RUNTIME, {**EXECUTOR, "SPARK_CLASSPATH": "/x.jar"}, rewriter({})) == [
        *("/java/bin/java", "-Dfirst=a b", "-Dlast=1", "-Xms512m", "-Xmx512m"),
        *("-cp", "/n/conf:/spark/jars/*:/x.jar"),
        "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend",
        *("--driver-url", "spark://d:7078", "--executor-id", "3", "--cores", "2", "--app-id", "app"),
        *("--hostname", "127.70.0.4", "--resourceProfileId", "0", "--podName", "p-exec-3"),
    ]


def test_javas_options_reach_a_container_where_there_are_any() -> None:
    assert "JAVA_TOOL_OPTIONS" not in RUNTIME.environment()
    told = replace(RUNTIME, java_options="-XX:TieredStopAtLevel=1")
    assert told.environment() == {**RUNTIME.environment(), "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1"}


def test_an_executor_that_cannot_run_says_what_is_missing() -> None:
    with pytest.raises(CommandError, match=r"variables SPARK_DRIVER_URL, SPARK_EXECUTOR_MEMORY$"):
        executor_argv(RUNTIME, {k: v for k, v in EXECUTOR.items() if not k.endswith(("_URL", "_MEMORY"))})
    bare = Runtime(python=Path("/p"), spark_home=None, java_home=None)
    with pytest.raises(CommandError, match="no pyspark and Java"):
        executor_argv(bare, EXECUTOR)
