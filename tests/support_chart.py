"""Values that the chart's tests render: one matrix for schemas, goldens and both releases of Helm."""

from typing import Any

Json = dict[str, Any]

EVERYTHING: Json = {
    "nameOverride": "spark",
    "image": {
        "repository": "registry.example/op",
        "digest": "sha256:" + "a" * 64,
        "pullPolicy": "Always",
    },
    "imagePullSecrets": [{"name": "registry"}],
    "crds": {"install": True, "keep": False},
    "operator": {
        "replicas": 2,
        "leaderElection": {"leaseSeconds": 30, "deadlineSeconds": 20, "retrySeconds": 4},
        "defaultBackend": "Spark",
        "runtimeImage": "registry.example/runtime:1",
        "logLevel": "debug",
        "logFormat": "text",
        "settings": {"statusIntervalSeconds": 2.5, "watchTimeoutSeconds": 120, "hostPaths": ["/mnt/nvme"]},
    },
    "policies": {
        "digests": {"mine": "sha256:" + "b" * 64, "far": "sha256:" + "c" * 64},
        "configMap": "policies",
        "s3": {
            "sources": {"far": "s3://policies/iot/far.tgz"},
            "endpoint": "https://s3.example:9000",
            "region": "eu-central-1",
            "credentialsSecret": "s3",
        },
    },
    "audit": {"enabled": True, "persistentVolumeClaim": "audit", "maxMebibytes": 32, "files": 4},
    "redis": {"enabled": True, "existingSecret": "redis", "maxMemory": "2gb"},
    "dashboard": {"enabled": True, "port": 9091},
    "serviceAccount": {"annotations": {"cloud.example/role": "r"}},
    "podLabels": {"team": "iot"},
    "podAnnotations": {"note": "n"},
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [{"key": "spot", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "priorityClassName": "system-cluster-critical",
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy"}],
    "extraEnvFrom": [{"secretRef": {"name": "more"}}],
    "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ssl/own"}],
    "metrics": {
        "port": 9090,
        "service": {"annotations": {"a": "b"}},
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "prometheusRule": {
            "enabled": True,
            "labels": {"release": "prometheus"},
            "runbook": "https://docs.example/sparkiot/runbook.html",
        },
        "dashboard": {"enabled": True, "annotations": {"grafana_folder": "iot"}, "namespace": "grafana"},
    },
    "networkPolicy": {
        "enabled": True,
        "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        "apiServer": [{"ipBlock": {"cidr": "10.0.0.1/32"}}],
        "extraEgress": [{"ports": [{"port": 1883}]}],
        "jobs": {"enabled": False},
    },
}
"""Every value that is not at its default, on a whole cluster."""
NAMESPACED: Json = {
    "watchNamespaces": ["city", "health"],
    "crds": {"install": False},
    "rbac": {"userRoles": False},
    "policies": {"persistentVolumeClaim": "policies"},
    "audit": {"enabled": True},
    "networkPolicy": {"jobs": {"from": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}]}},
}
"""Two namespaces, and nothing that needs rights on the cluster."""
MATRIX: dict[str, Json] = {
    "default": {},
    "everything": EVERYTHING,
    "namespaced": NAMESPACED,
    "foreign-account": {"serviceAccount": {"create": False, "name": "given"}, "rbac": {"create": False}},
    "redis": {"redis": {"enabled": True}, "watchNamespaces": ["city", "sparkiot"]},
    "two-replicas": {"operator": {"replicas": 2}},
    "openshift": {
        "podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None},
        "redis": {
            "enabled": True,
            "existingSecret": "redis",
            "podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None},
        },
    },
}
