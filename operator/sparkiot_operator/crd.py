"""The CustomResourceDefinition, generated from the pydantic models: a structural schema with defaults and CEL."""

from typing import Any

from .resource import GROUP, KIND, PLURAL, SHORT_NAME, SINGULAR, VERSION
from .resource.spec import SparkIoTJobSpec
from .resource.status import SparkIoTJobStatus

Schema = dict[str, Any]

COLUMNS = (
    ("Phase", "string", ".status.phase", "Phase of the job", 0),
    ("Executors", "integer", ".status.replicas", "Running executors", 0),
    ("Wanted", "integer", ".status.allocation.executors", "Executors that the job shall have", 0),
    ("Memory", "string", ".status.allocation.memory", "Memory of one executor", 0),
    ("Tier", "string", ".status.allocation.tier", "Shuffle tier", 0),
    ("Latency", "string", ".status.latency.observed", "Latency at the objective's quantile", 0),
    ("Attainment", "string", ".status.slo.attainment", "Share of batches within the objective", 0),
    ("Cost/h", "string", ".status.costPerHour", "Dollars an hour", 0),
    ("Applied", "string", ".status.applied.memory", "Memory of one executor that the running job has", 1),
    ("Generation", "integer", ".status.allocation.generation", "Generation of the wanted allocation", 1),
    ("In-Force", "integer", ".status.applied.generation", "Generation of the allocation that is in force", 1),
    ("Restarts", "integer", ".status.driver.restarts", "Drivers that replaced a failed one", 1),
    ("Age", "date", ".metadata.creationTimestamp", "Age", 0),
    ("Reason", "string", ".status.decision.reason", "What the last decision did", 1),
    ("Policy", "string", ".status.decision.policy.name", "Policy that decided", 1),
    ("Mode", "string", ".spec.scaling.mode", "How much the policy may do", 1),
    ("In-Effect", "string", ".status.mode", "Mode in force: Active once a policy in shadow was promoted", 1),
    ("Would-Cost/h", "string", ".status.shadow.costPerHour", "Of the policy in shadow by the model", 1),
    ("Would-Attain", "string", ".status.shadow.attainment", "Of the policy in shadow by the model", 1),
    ("Canary", "string", ".status.canary.state", "What the job does in a canary", 1),
)


def build_crd() -> Schema:
    """The whole manifest. Deterministic, so that a generated file can be verified."""
    root: Schema = {
        "type": "object",
        "description": "A Spark Structured Streaming job that is kept at its latency objective for the least money.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": "Version of the API: sparkiot.dev/v1alpha1."},
            "kind": {"type": "string", "description": "SparkIoTJob."},
            "metadata": {"type": "object"},
            "spec": structural_schema(SparkIoTJobSpec.model_json_schema(by_alias=True)),
            "status": _without_defaults(structural_schema(SparkIoTJobStatus.model_json_schema(by_alias=True))),
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}", "labels": {"app.kubernetes.io/name": "sparkiot"}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": SINGULAR,
                "shortNames": [SHORT_NAME],
                "categories": ["all"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": root},
                    "subresources": {
                        "status": {},
                        "scale": {
                            "specReplicasPath": ".spec.scaling.executors.override",
                            "statusReplicasPath": ".status.replicas",
                        },
                    },
                    "additionalPrinterColumns": [
                        {"name": name, "type": kind, "jsonPath": path, "description": text, "priority": priority}
                        for name, kind, path, text, priority in COLUMNS
                    ],
                }
            ],
        },
    }


def structural_schema(schema: Schema) -> Schema:
    """A pydantic JSON schema as Kubernetes wants it: no references, no titles, no unions, no ``null`` type."""
    return _convert(schema, schema.get("$defs", {}))


def _without_defaults(schema: Schema) -> Schema:
    """Nobody but the operator writes a status; a server that fills it in would say what nobody saw."""
    kept = {key: value for key, value in schema.items() if key != "default"}
    if "properties" in kept:
        kept["properties"] = {name: _without_defaults(child) for name, child in kept["properties"].items()}
    if "items" in kept:
        kept["items"] = _without_defaults(kept["items"])
    return kept


def _convert(node: Schema, defs: dict[str, Schema]) -> Schema:
    node = _without_unions(_resolve(node, defs), defs)
    kept = {
        key: value
        for key, value in node.items()
        if key not in ("title", "$defs", "properties", "items", "additionalProperties") and not _is_noise(key, value)
    }
    if node.get("x-kubernetes-preserve-unknown-fields"):
        return kept
    if "properties" in node:
        kept["properties"] = {name: _convert(child, defs) for name, child in node["properties"].items()}
    if "items" in node:
        kept["items"] = _convert(node["items"], defs)
    if isinstance(node.get("additionalProperties"), dict):
        kept["additionalProperties"] = _convert(node["additionalProperties"], defs)
    return kept


def _resolve(node: Schema, defs: dict[str, Schema]) -> Schema:
    if "$ref" not in node:
        return node
    target = defs[node["$ref"].rsplit("/", 1)[1]]
    return {**target, **{key: value for key, value in node.items() if key != "$ref"}}


def _without_unions(node: Schema, defs: dict[str, Schema]) -> Schema:
    """``X | None`` becomes X (absent is None); a union of string literals becomes one enum."""
    if "const" in node:
        node = {**{k: v for k, v in node.items() if k != "const"}, "enum": [node["const"]]}
    if "anyOf" not in node:
        return node
    rest = {key: value for key, value in node.items() if key != "anyOf"}
    options = [_without_unions(_resolve(o, defs), defs) for o in node["anyOf"] if o.get("type") != "null"]
    if len(options) == 1:
        return {**options[0], **rest}
    return {"type": "string", "enum": [value for option in options for value in option["enum"]], **rest}


def _is_noise(key: str, value: Any) -> bool:
    return (key == "default" and value is None) or (key == "additionalProperties" and value is False)
