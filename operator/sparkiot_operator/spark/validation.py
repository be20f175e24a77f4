"""What of a spec the Spark backend refuses, beyond what schema and CEL rules can say."""

from collections.abc import Callable, Iterator, Mapping

from sparkiot_operator.resource.spec import Application, SparkIoTJobSpec
from sparkiot_operator.resource.translate import InvalidSpecError, SpecProblem
from sparkiot_policies.allocation import Compression, Tier, parse_memory

from .allocation import AllocationRequest
from .executor import executor_template
from .memory import (
    DRIVER_OVERHEAD_KEY,
    EXECUTOR_OVERHEAD_KEY,
    MIN_HEAP_MIB,
    SIZE_KEYS,
    driver_heap_mib,
    executor_heap_mib,
    parse_spark_size,
)
from .owned import refusal
from .pod import driver_pod
from .template import TemplateError

_SECRET_KEYS = ("authenticate", "password", "secret", "token")
_TEMPLATE_FIELDS = frozenset({"apiVersion", "kind", "metadata", "spec"})
_TEMPLATE_METADATA = frozenset({"labels", "annotations"})
_REFUSED_SPEC = {
    "nodeName": "it goes past the scheduler, and so past taints and room on the node; use nodeSelector or affinity",
    "ephemeralContainers": "they belong to pods that run, not to templates",
}


def required_application(spec: SparkIoTJobSpec) -> Application:
    """The spec's application. Raises InvalidSpecError when it has none."""
    if spec.application is None:
        raise InvalidSpecError([SpecProblem("spec.application", "a missing field", "backend Spark needs it")])
    return spec.application


def problems(spec: SparkIoTJobSpec) -> list[SpecProblem]:
    """Everything that is wrong, so that a user mends it in one go. Raises InvalidSpecError without an application."""
    application = required_application(spec)
    return [
        *_properties(application),
        *_memory(spec, application),
        *_template("driver", application.driver.template, lambda: _driver(application)),
        *_template("executor", application.executor.template, lambda: executor_template(application, name="job")),
    ]


def _properties(application: Application) -> Iterator[SpecProblem]:
    for key, value in application.spark_conf.items():
        field = f"spec.application.sparkConf[{key}]"
        shown = "a value" if any(word in key.lower() for word in _SECRET_KEYS) else repr(value)
        if (why := refusal(key, value)) is not None:
            yield SpecProblem(field, shown, why)


def _memory(spec: SparkIoTJobSpec, application: Application) -> Iterator[SpecProblem]:
    unreadable = False
    for key in SIZE_KEYS:
        stated = application.spark_conf.get(key)
        if stated is not None and not _is_size(stated):
            unreadable = True
            yield SpecProblem(f"spec.application.sparkConf[{key}]", repr(stated), "must be a size such as 512m or 1g")
    if unreadable:
        return
    driver, least = application.driver.memory, spec.scaling.memory.min
    if (heap := driver_heap_mib(application)) < MIN_HEAP_MIB:
        yield _too_small("spec.application.driver.memory", driver, heap=heap, key=DRIVER_OVERHEAD_KEY)
    if (heap := executor_heap_mib(application, parse_memory(least))) < MIN_HEAP_MIB:
        yield _too_small("spec.scaling.memory.min", least, heap=heap, key=EXECUTOR_OVERHEAD_KEY)


def _too_small(field: str, found: str, *, heap: int, key: str) -> SpecProblem:
    more = parse_memory(found) + MIN_HEAP_MIB - heap
    left = f"leaves {heap} MiB" if heap > 0 else "leaves nothing"
    return SpecProblem(
        field, found, f"{left} of heap and Spark needs {MIN_HEAP_MIB}: state {more}Mi or more, or a smaller {key}"
    )


def _template(pod: str, template: Mapping[str, object], build: Callable[[], object]) -> Iterator[SpecProblem]:
    """Shape only: what a pod's fields may hold is for the API server to say."""
    field = f"spec.application.{pod}.template"
    for key in sorted(template.keys() - _TEMPLATE_FIELDS):
        yield SpecProblem(f"{field}.{key}", "a field", "a pod template has metadata and spec")
    for key in sorted(_keys(template, "metadata") - _TEMPLATE_METADATA):
        yield SpecProblem(f"{field}.metadata.{key}", "a field", "the operator sets it; state labels and annotations")
    for key in sorted(_keys(template, "spec") & _REFUSED_SPEC.keys()):
        yield SpecProblem(f"{field}.spec.{key}", "a field", _REFUSED_SPEC[key])
    try:
        build()
    except TemplateError as error:
        yield SpecProblem(f"{field}.{error.path}", "another shape", str(error))


def _keys(template: Mapping[str, object], name: str) -> set[str]:
    found = template.get(name)
    return set(found) if isinstance(found, Mapping) else set()


def _driver(application: Application) -> object:
    """A driver pod of a job that does not matter."""
    metadata = {"name": "job", "namespace": "default", "labels": {}, "annotations": {}, "ownerReferences": []}
    allocation = AllocationRequest(
        generation=0, executors=1, memory_mib=1024, tier=Tier.WARM, compression=Compression.LZ4
    )
    return driver_pod(
        application,
        metadata=metadata,
        service_account="job",
        allocation=allocation,
        runtime_image="image",
        runtime_pull_policy=None,
    )


def _is_size(text: str) -> bool:
    try:
        parse_spark_size(text)
    except ValueError:
        return False
    return True
