"""A real Spark driver as a pod of the embedded cluster: its manifests, and what it runs."""

from typing import Any

Obj = dict[str, Any]

ACCOUNT = "spark"
# Reads one word a line from a file and does it; what it sees, it prints. Spark needs no operator for that.
DRIVER = """
import os, sys, time
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
sc = spark.sparkContext
backend, none = sc._jsc.sc(), sc._jvm.scala.collection.immutable.HashMap()
print("application", sc.applicationId, flush=True)

def executors():
    ids = backend.getExecutorIds()
    return sorted((ids.apply(i) for i in range(ids.size())), key=int)

def work(x):
    return x * 2

orders, seen, shown = sys.argv[1], 0, None
while True:
    if os.path.exists(orders):
        lines = open(orders).read().splitlines()
        for line in lines[seen:]:
            word, _, argument = line.partition(" ")
            if word == "total":
                backend.requestTotalExecutors(int(argument), 0, none)
            elif word == "decommission":
                info = sc._jvm.org.apache.spark.scheduler.ExecutorDecommissionInfo("test", sc._jvm.scala.Option.empty())
                backend.schedulerBackend().decommissionExecutor(argument, info, True, False)
            elif word == "count":
                print("counted", sc.parallelize(range(1000), 4).map(work).sum(), flush=True)
            elif word == "stop":
                spark.stop()
                sys.exit(0)
        seen = len(lines)
    if executors() != shown:
        shown = executors()
        print("executors", ",".join(shown), flush=True)
    time.sleep(0.1)
"""
RULES: list[Obj] = [
    {
        "apiGroups": [""],
        "resources": ["pods"],
        "verbs": ["create", "get", "list", "watch", "delete", "deletecollection"],
    },
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "deletecollection"]},
    {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["list", "deletecollection"]},
    {"apiGroups": [""], "resources": ["services"], "verbs": ["list", "deletecollection"]},
]


def account(namespace: str, name: str = ACCOUNT, rules: list[Obj] | None = None) -> list[Obj]:
    """A service account, and the role that it is bound to unless there are no rules."""
    meta, rbac = {"name": name, "namespace": namespace}, "rbac.authorization.k8s.io"
    objects: list[Obj] = [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}]
    if rules:
        objects += [
            {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": meta, "rules": rules},
            {
                "apiVersion": f"{rbac}/v1",
                "kind": "RoleBinding",
                "metadata": meta,
                "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
            },
        ]
    return objects


def driver(namespace: str, image: str, orders: str, *, account: str = ACCOUNT, **conf: str) -> list[Obj]:
    """ConfigMap and pod of a driver with one executor; `orders` is the file that it obeys, a path of this machine."""
    properties = {
        "spark.driver.host": "$(POD_IP)",
        "spark.driver.bindAddress": "$(POD_IP)",
        "spark.kubernetes.namespace": namespace,
        "spark.kubernetes.driver.pod.name": "$(POD_NAME)",
        "spark.kubernetes.container.image": image,
        "spark.kubernetes.executor.request.cores": "100m",
        "spark.kubernetes.allocation.batch.delay": "500ms",
        "spark.executor.instances": "1",
        "spark.executor.cores": "1",
        "spark.executor.memory": "512m",
        "spark.driver.memory": "512m",
        "spark.decommission.enabled": "true",
        "spark.ui.enabled": "false",
        **{name.replace("_", "."): value for name, value in conf.items()},
    }
    fields = {"POD_IP": "status.podIP", "POD_NAME": "metadata.name"}
    container = {
        "name": "spark-kubernetes-driver",
        "image": image,
        "command": ["spark-submit"],
        "args": [
            "--master=k8s://https://$(KUBERNETES_SERVICE_HOST):$(KUBERNETES_SERVICE_PORT)",
            "--deploy-mode=client",
            *(f"--conf={name}={value}" for name, value in properties.items()),
            *("/app/driver.py", orders),
        ],
        "env": [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()],
        "volumeMounts": [{"name": "app", "mountPath": "/app"}],
    }
    spec = {
        "serviceAccountName": account,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 5,
        "containers": [container],
        "volumes": [{"name": "app", "configMap": {"name": "driver"}}],
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "driver", "namespace": namespace},
            "data": {"driver.py": DRIVER},
        },
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "driver", "namespace": namespace}, "spec": spec},
    ]
