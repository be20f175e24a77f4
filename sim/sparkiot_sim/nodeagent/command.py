"""From a container's manifest to the program that runs here: pure functions.

There are no mount namespaces: what the manifest calls /etc/config is a folder elsewhere. Where such a path appears in
the command, the arguments, variables or the working directory, it is replaced.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from sparkiot_sim.devcluster.errors import Obj
from sparkiot_sim.nodeagent.images import Runtime

TMP = "/tmp"  # noqa: S108 the mount path, not a file: programs find their folder through TMPDIR
EXECUTOR_CLASS = "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend"
DECOMMISSION_SCRIPT = "decom.sh"
_REFERENCE = re.compile(r"\$\$|\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)")
_JAVA_OPTION = re.compile(r"SPARK_JAVA_OPT_(\d+)")
# What Spark sets for its executors: options of the backend and the variables that hold them.
_BACKEND_OPTIONS = {
    "--driver-url": "SPARK_DRIVER_URL",
    "--executor-id": "SPARK_EXECUTOR_ID",
    "--cores": "SPARK_EXECUTOR_CORES",
    "--app-id": "SPARK_APPLICATION_ID",
    "--hostname": "SPARK_EXECUTOR_POD_IP",
    "--resourceProfileId": "SPARK_RESOURCE_PROFILE_ID",
    "--podName": "SPARK_EXECUTOR_POD_NAME",
}

Rewrite = Callable[[str], str]


class CommandError(Exception):
    """A container that cannot be started; the message says what is missing."""


def rewriter(places: Mapping[str, Path]) -> Rewrite:
    """Replaces each path of `places`, where it stands as a whole, by its folder; the longest match wins.

    `/tmp` is left alone, and so is a path that stands for itself.
    """
    targets = {path.rstrip("/"): str(folder) for path, folder in places.items()}
    targets = {path: folder for path, folder in targets.items() if path not in ("", TMP, folder)}
    if not targets:
        return lambda text: text
    longest_first = sorted(targets, key=len, reverse=True)
    pattern = re.compile(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-]|\.\w)")
    return lambda text: pattern.sub(lambda match: targets[match[0]], text)


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` becomes the variable's value, stays as it is when there is none; `$$` is a dollar sign."""

    def value(match: re.Match[str]) -> str:
        return "$" if match[0] == "$$" else variables.get(match[1], match[0])

    return _REFERENCE.sub(value, text)


def is_executor(container: Obj) -> bool:
    """Whether this is an executor as Spark makes them: its image's entry point gets the one word `executor`."""
    return not container.get("command") and container.get("args") == ["executor"]


def argv(container: Obj, runtime: Runtime, variables: Mapping[str, str], rewrite: Rewrite) -> list[str]:
    """The program and its arguments. `variables` are the container's own, rewritten already.

    Raises CommandError when the manifest names no program, or an executor lacks Spark, Java or a variable.
    """
    if is_executor(container):
        return executor_argv(runtime, variables)
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    if not words:
        raise CommandError("no command specified: images of the embedded cluster have no entry point of their own")
    return local_argv([expand(rewrite(word), variables) for word in words], runtime)


def local_argv(words: list[str], runtime: Runtime) -> list[str]:
    """`python` and `python3` are the image's interpreter; everything else is found through PATH."""
    return [str(runtime.python), *words[1:]] if words[0] in ("python", "python3") else words


def executor_argv(runtime: Runtime, variables: Mapping[str, str]) -> list[str]:
    """What the entry point of Spark's images makes of an executor's variables. Raises CommandError."""
    if runtime.spark_home is None or runtime.java_home is None:
        lacking = " and ".join(
            name for name, home in (("pyspark", runtime.spark_home), ("Java", runtime.java_home)) if not home
        )
        raise CommandError(
            f"the environment of {runtime.python} cannot run a Spark executor: it has no {lacking} that it can use"
        )
    values = {"SPARK_RESOURCE_PROFILE_ID": "0", "SPARK_EXECUTOR_POD_NAME": "", **variables}
    if missing := sorted({"SPARK_EXECUTOR_MEMORY", *_BACKEND_OPTIONS.values()} - set(values)):
        raise CommandError(f"a Spark executor needs the variables {', '.join(missing)}")
    numbered = [(int(match[1]), value) for name, value in variables.items() if (match := _JAVA_OPTION.fullmatch(name))]
    options = [value for _, value in sorted(numbered)]
    if folder := variables.get("TMPDIR"):
        options.append(f"-Djava.io.tmpdir={folder}")  # Java does not read TMPDIR
    classpath = [
        values.get("SPARK_CONF_DIR") or str(runtime.spark_home / "conf"),
        f"{runtime.spark_home}/jars/*",
        *(values.get(name, "") for name in ("SPARK_CLASSPATH", "SPARK_EXTRA_CLASSPATH", "HADOOP_CONF_DIR")),
    ]
    memory = values["SPARK_EXECUTOR_MEMORY"]
    return [
        *(str(runtime.java_home / "bin" / "java"), *options, f"-Xms{memory}", f"-Xmx{memory}"),
        *("-cp", ":".join(filter(None, classpath)), EXECUTOR_CLASS),
        *(word for option, name in _BACKEND_OPTIONS.items() for word in (option, values[name])),
    ]
