"""What the pod tells the runtime: environment, mounted files, and the rules for reading both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Mapping, NamedTuple

from sparkiot_driver import properties
from sparkiot_driver.allocation import Allocation, InvalidAllocationError
from sparkiot_driver.properties import Memory, Properties
from sparkiot_driver.tokens import Tokens

DEFAULT_PORT = 7080


class InvalidConfigurationError(ValueError):
    """Something that no retry mends; the message names the file or variable."""


class Job(NamedTuple):
    """The file job.json: which resource this is and how its allocations become Spark's properties."""

    namespace: str
    name: str
    spark_version: str
    api_path: str
    port: int
    executor_labels: str
    has_shuffle: bool
    """Whether it states tiers of the tiered shuffle."""
    tiers: dict[str, Properties]
    compressions: dict[str, Properties]
    overhead_factor: float
    least_overhead_mib: int


class Config(NamedTuple):
    """Everything that one supervisor is started with."""

    job: Job
    base: Properties
    allocation: Allocation
    tokens: Tokens
    pod_ip: str
    pod_name: str
    work: Path
    executor_template: str
    job_file: Path
    termination_log: str | None
    boundary_seconds: float
    """How long a stop waits for the end of the batch that runs."""

    def memory(self, allocation: Allocation) -> Memory:
        """Raises UnusableMemoryError when an executor of that size could not start."""
        return properties.memory_split(
            allocation.memory_mib,
            self.base,
            factor=self.job.overhead_factor,
            least_overhead_mib=self.job.least_overhead_mib,
        )


def load(environ: Mapping[str, str]) -> Config:
    """Read the environment and the files that it names. Raises InvalidConfigurationError."""
    folder = Path(_need(environ, "SPARKIOT_CONFIG"))
    work = Path(_need(environ, "SPARKIOT_WORK"))
    try:
        allocation = Allocation.from_wire(json.loads(_need(environ, "SPARKIOT_ALLOCATION")))
    except (InvalidAllocationError, ValueError) as error:
        raise InvalidConfigurationError(f"SPARKIOT_ALLOCATION: {error}") from error
    config = Config(
        job=_job(folder / "job.json"),
        base=properties.parse(_text(folder / "spark.properties")),
        allocation=allocation,
        tokens=_tokens(Path(_need(environ, "SPARKIOT_TOKEN_FILE"))),
        pod_ip=_need(environ, "POD_IP"),
        pod_name=_need(environ, "POD_NAME"),
        work=work,
        executor_template=str(folder / "executor-template.json"),
        job_file=folder / "job.json",
        termination_log=environ.get("SPARKIOT_TERMINATION_LOG"),
        boundary_seconds=_seconds(environ, "SPARKIOT_BOUNDARY_SECONDS", 30.0),
    )
    try:
        config.memory(allocation)
    except properties.UnusableMemoryError as error:
        raise InvalidConfigurationError(str(error)) from error
    return config


def _job(file: Path) -> Job:
    try:
        content: dict[str, Any] = json.loads(_text(file))
        api = f"/apis/{content['apiVersion']}/namespaces/{content['namespace']}/{content['plural']}/{content['name']}"
        return Job(
            namespace=content["namespace"],
            name=content["name"],
            spark_version=content["sparkVersion"],
            api_path=api,
            port=int(content.get("port", DEFAULT_PORT)),
            executor_labels=content["executorLabels"],
            has_shuffle="shuffle" in content,
            tiers=content.get("tiers", {}),
            compressions=content.get("compressions", {}),
            overhead_factor=float(content["memoryOverheadFactor"]),
            least_overhead_mib=int(content["minMemoryOverheadMiB"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidConfigurationError(f"{file}: {type(error).__name__} {error}") from error


def _tokens(file: Path) -> Tokens:
    try:
        return Tokens(file.parent)
    except (OSError, ValueError) as error:
        raise InvalidConfigurationError(f"cannot read {file}: {error}") from error


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InvalidConfigurationError(f"cannot read {file}: {error}") from error


def _need(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name)
    if not value:
        raise InvalidConfigurationError(f"the environment lacks {name}")
    return value


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    try:
        return float(environ.get(name, default))
    except ValueError as error:
        raise InvalidConfigurationError(f"{name} must be a number of seconds: {error}") from error
