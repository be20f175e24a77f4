"""The threats of docs/explanation/security.md, each tried on a real API server with roles, operator and drivers.

A tenant may create SparkIoTJobs in one namespace, and nothing else. Two jobs of theirs run, with secrets of their own.
"""

import http.client
import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from support_access import ACCOUNT, account_kubeconfig
from support_live import Embedded, Json, namespace
from support_operator import Kubectl
from support_secrets import accounts, arguments, driver_tokens, environments, leaks, secret, written

from sparkiot_operator.spark.confinement import ENFORCE_LABEL
from sparkiot_operator.spark.naming import AGENT_PORT, CONTAINER
from sparkiot_sim.devcluster.identity import ServiceAccount

pytestmark = [pytest.mark.timeout(600), pytest.mark.live]
VAULT = "vault"
REDIS_PASSWORD, MQTT_PASSWORD = "redis-Zb7-correct-horse", "mqtt-Zb7-battery-staple"
LIFETIME_S = 3


class Confined(Embedded):
    extra_flags = ("--driver-token-seconds", str(LIFETIME_S))


@dataclass
class Scene:
    cluster: Embedded
    _tenant: Kubectl
    tokens: set[str] = field(default_factory=set)
    """Every token of a driver's endpoint that was seen."""
    _addresses: dict[str, str] = field(default_factory=dict)

    def token(self, job: str) -> str:
        """The token that the driver of a job is to take now."""
        found = driver_tokens(self.cluster)
        self.tokens.update(found.values())
        return found[f"token of {job}-driver"]

    def address(self, job: str) -> str:
        if job not in self._addresses:
            (pod,) = self.cluster.pods(job, "driver")
            self._addresses[job] = str(pod["status"]["podIP"])
        return self._addresses[job]

    def tenant(self, *arguments: str, stdin: Sequence[Json] = ()) -> subprocess.CompletedProcess[str]:
        """kubectl as the tenant."""
        return self._tenant.run("-n", self.cluster.namespace, *arguments, stdin=stdin)

    def create(self, *jobs: Json) -> None:
        done = self.tenant("create", "-f", "-", stdin=jobs)
        assert done.returncode == 0, done.stderr

    def call(self, job: str, method: str, path: str, authorization: str | None = None) -> tuple[int, str, str]:
        """Status, the header Server, and body."""
        connection = http.client.HTTPConnection(self.address(job), AGENT_PORT, timeout=30)
        try:
            connection.request(method, path, headers={"Authorization": authorization} if authorization else {})
            answer = connection.getresponse()
            return answer.status, answer.headers["Server"], answer.read().decode()
        finally:
            connection.close()

    def answered(self, job: str, token: str) -> int:
        return self.call(job, "GET", "/v1/observation", f"Bearer {token}")[0]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    cluster = Confined(tmp_path_factory.mktemp("security"))
    try:
        cluster.kubectl("apply", "-f", "-", stdin=(namespace(VAULT),))
        cluster.kubectl("-n", VAULT, "apply", "-f", "-", stdin=(secret("crown", key="jewels"),))
        cluster("apply", "-f", "-", stdin=(*tenant_objects(), *OWN_SECRETS))
        found = Scene(cluster, tenant_of(cluster))
        cluster.start_operator()
        main = cluster.shared / "main.py"
        main.write_text("import time\ntime.sleep(3600)\n")
        found.create(job("city", str(main), **USES_SECRETS), job("village", str(main)))
        for name in ("city", "village"):
            cluster.wait(lambda name=name: phase(cluster, name) == "Running", what=f"the driver of {name} runs")
        yield found
    finally:
        cluster.close()


def phase(cluster: Embedded, name: str) -> str | None:
    pods = cluster.pods(name, "driver")
    ready = [
        c for p in pods for c in p["status"].get("conditions", []) if (c["type"], c["status"]) == ("Ready", "True")
    ]
    return "Running" if ready else None


OWN_SECRETS = (
    secret("redis", url=f"redis://:{REDIS_PASSWORD}@127.0.0.1:1/0"),
    secret("broker", username="tenant", password=MQTT_PASSWORD),
)
USES_SECRETS: Json = {
    "shuffle": {"tiers": {"hot": {"redis": {"urlFrom": {"secretKeyRef": {"name": "redis", "key": "url"}}}}}},
    "edge": {
        "signal": {
            "mqtt": {"url": "mqtt://127.0.0.1:1", "topic": "t", "credentialsFrom": {"secretRef": {"name": "broker"}}}
        }
    },
}


def tenant_objects() -> tuple[Json, ...]:
    meta = {"name": "tenant"}
    rule = {
        "apiGroups": ["sparkiot.dev"],
        "resources": ["sparkiotjobs"],
        "verbs": ["create", "get", "list", "watch", "patch", "delete"],
    }
    rbac = "rbac.authorization.k8s.io"
    return (
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": meta, "rules": [rule]},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "tenant"},
            "subjects": [{"kind": "ServiceAccount", "name": "tenant", "namespace": "live"}],
        },
    )


def account(cluster: Embedded, name: str) -> ServiceAccount:
    uid = json.loads(cluster("get", "serviceaccount", name, "-o", "json"))["metadata"]["uid"]
    return ServiceAccount(cluster.namespace, name, uid)


def tenant_of(cluster: Embedded) -> Kubectl:
    config = account_kubeconfig(cluster.kubeconfig, account(cluster, "tenant"), cluster.folder / "cluster" / "tenant")
    return Kubectl(config)


def job(name: str, main: str, *, application: Json | None = None, **spec: Any) -> Json:
    return {
        "apiVersion": "sparkiot.dev/v1alpha1",
        "kind": "SparkIoTJob",
        "metadata": {"name": name},
        "spec": {
            "backend": "Spark",
            "application": {
                "image": Embedded.spark_image,
                "mainApplicationFile": f"local://{main}",
                "checkpointLocation": "/tmp/checkpoint",
                **(application or {}),
            },
            "policy": {"name": "Rate"},
            "scaling": {"interval": "1s"},
            **spec,
        },
    }


def hostile(name: str, *, driver: Json | None = None, executor: Json | None = None, **changes: Any) -> Json:
    """A job whose pods have these templates. No node has its image: what is let through does not start either."""
    application = {
        "image": "no-such-image:1",
        "driver": {"template": driver or {}},
        "executor": {"template": executor or {}},
        **changes.pop("application", {}),
    }
    return job(name, "/main.py", application=application, **changes)


def contained(**fields: Any) -> Json:
    return {"spec": {"containers": [{"name": CONTAINER, **fields}]}}


def conf(**properties: str) -> Json:
    return {"sparkConf": {name.replace("__", "."): value for name, value in properties.items()}}


HOST: Json = {"spec": {"volumes": [{"name": "root", "hostPath": {"path": "/"}}]}}
ATTEMPTS = {
    "root": (hostile("root", driver=contained(securityContext={"runAsUser": 0, "runAsNonRoot": False})), "runAsUser"),
    "root-executor": (
        hostile("root-executor", executor={"spec": {"securityContext": {"runAsUser": 0}}}),
        "executor: spec.securityContext.runAsUser",
    ),
    "privileged": (hostile("privileged", driver=contained(securityContext={"privileged": True})), "privileged"),
    "host-network": (hostile("host-network", driver={"spec": {"hostNetwork": True, "hostPID": True}}), "hostPID"),
    "host-path": (hostile("host-path", driver=HOST), "the folder / of the node"),
    "host-tier": (
        hostile("host-tier", shuffle={"tiers": {"warm": {"volume": {"hostPath": "/etc"}}}}),
        "the folder /etc of the node",
    ),
    "host-conf": (
        hostile(
            "host-conf",
            application=conf(spark__kubernetes__executor__volumes__hostPath__d__options__path="/var/run"),
        ),
        "the folder /var/run of the node",
    ),
    "deputy": (hostile("deputy", application={"serviceAccountName": ACCOUNT}), f"live/{ACCOUNT} is not among"),
    "deputy-executor": (
        hostile("deputy-executor", executor={"spec": {"serviceAccountName": ACCOUNT}}),
        f"live/{ACCOUNT} is not among",
    ),
    "elsewhere": (hostile("elsewhere", driver={"metadata": {"namespace": VAULT}}), "template.metadata.namespace"),
    "owner": (hostile("owner", executor={"metadata": {"ownerReferences": []}}), "template.metadata.ownerReferences"),
    "scheduler": (hostile("scheduler", driver={"spec": {"nodeName": "node"}}), "template.spec.nodeName"),
    "conf": (hostile("conf", application=conf(spark__kubernetes__namespace=VAULT)), "spark.kubernetes.namespace"),
    "debugger": (
        hostile("debugger", application=conf(spark__driver__extraJavaOptions="-agentlib:jdwp=address=*:5005")),
        "-agentlib:jdwp",
    ),
}


def test_the_tenant_may_create_jobs_and_nothing_else(scene: Scene) -> None:
    for refused in (("get", "secrets"), ("get", "pods"), ("get", "sij", "-n", VAULT), ("delete", "pod", "city-driver")):
        done = scene.tenant(*refused)
        assert done.returncode != 0
        assert "orbidden" in done.stderr, done.stderr


def test_no_template_or_property_reaches_beyond_the_namespace(scene: Scene) -> None:
    cluster = scene.cluster
    scene.create(*(manifest for manifest, _ in ATTEMPTS.values()))

    def told() -> dict[str, str]:
        jobs = json.loads(cluster("get", "sij", "-o", "json"))["items"]
        ready = {
            item["metadata"]["name"]: condition
            for item in jobs
            for condition in item.get("status", {}).get("conditions", [])
            if condition["type"] == "Ready" and condition["reason"] in ("PodNotAllowed", "InvalidSpec")
        }
        return {name: found["message"] for name, found in ready.items()}

    cluster.wait(lambda: ATTEMPTS.keys() <= told().keys(), what="each attempt is refused")
    messages = told()
    assert [name for name, (_, word) in ATTEMPTS.items() if word not in messages[name]] == []
    kinds = "pods,secrets,configmaps,services,serviceaccounts,roles,rolebindings,networkpolicies"
    made = json.loads(cluster("get", kinds, "-l", "sparkiot.dev/job", "-o", "json"))["items"]
    assert {item["metadata"]["labels"]["sparkiot.dev/job"] for item in made} == {"city", "village"}


def test_a_secret_is_of_the_jobs_own_namespace(scene: Scene) -> None:
    """A path in a secret's name is refused by the schema; the operator never asks about any other namespace."""
    cluster = scene.cluster
    for name in (f"../../{VAULT}/secrets/crown", f"{VAULT}/crown"):
        ref = {"secretKeyRef": {"name": name, "key": "key"}}
        done = scene.tenant(
            "create", "-f", "-", stdin=[hostile("path", shuffle={"tiers": {"hot": {"redis": {"urlFrom": ref}}}})]
        )
        assert done.returncode != 0
        assert "name" in done.stderr
    ref = {"secretKeyRef": {"name": "crown", "key": "key"}}
    scene.create(hostile("crown", shuffle={"tiers": {"hot": {"redis": {"urlFrom": ref}}}}))
    missing = "secret crown is not there"
    cluster.wait(lambda: missing in json.dumps(cluster.status("crown")), what="the secret is not found")
    assert cluster.api_log is not None
    asked = [json.loads(line) for line in cluster.api_log.read_text().splitlines()]
    own = [event for event in asked if event["user"]["username"] == f"system:serviceaccount:live:{ACCOUNT}"]
    assert own
    assert [event for event in own if event["objectRef"].get("namespace") == VAULT] == []
    assert leaks({"the crown": "jewels"}, written(cluster)) == []
    cluster("delete", "sij", "crown", "--timeout=240s")


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic Y2l0eTpjaXR5"])
def test_a_neighbour_without_a_token_gets_nothing(scene: Scene, authorization: str | None) -> None:
    said = set()
    for method, path in (
        *(("GET", path) for path in ("/", "/metrics", "/v1/observation", "/v1/observation?after=x", "/v1/nothing")),
        *(("PUT", "/v1/allocation"), ("POST", "/v1/stop"), ("POST", "/v1/nothing")),
    ):
        status, server, body = scene.call("city", method, path, authorization)
        assert (method, path, status) == (method, path, 401)
        said.add(body)
        assert server.strip() == "sparkiot"
    assert said == {'{"error": "the bearer token is missing or wrong"}\n'}


def test_a_stolen_token_opens_one_job_until_it_is_replaced(scene: Scene) -> None:
    stolen = scene.token("city")
    assert scene.answered("village", stolen) == 401
    scene.cluster.wait(lambda: scene.answered("city", stolen) == 401, what="the stolen token ends")
    scene.cluster.wait(lambda: scene.answered("city", scene.token("city")) == 200, what="the present one serves")
    assert scene.cluster.operator is not None
    assert " 401 " not in scene.cluster.operator.text(), "no call of the operator failed meanwhile"


def test_no_secret_is_in_anything_that_was_written(scene: Scene) -> None:
    cluster = scene.cluster
    scene.tokens.update(driver_tokens(cluster).values())
    of_accounts = accounts(cluster)
    of_drivers = {f"driver token {number}": token for number, token in enumerate(sorted(scene.tokens))}
    of_jobs = {"the password of Redis": REDIS_PASSWORD, "the password of MQTT": MQTT_PASSWORD}
    assert len(of_drivers) >= 3
    assert {f"the token of account {name}" for name in (ACCOUNT, "tenant", "city-driver")} <= of_accounts.keys()
    everything = of_accounts | of_drivers | of_jobs
    found = dict(written(cluster))
    assert {"operator.log", "objects", "log of pod/city-driver", "requests.jsonl"} <= found.keys()
    assert any(name.startswith("audit/") for name in found), "decisions were recorded"
    assert "127.0.0.1:1" in found["objects"], "the trouble with the tiers is told"
    assert leaks(everything, found.items()) == []
    assert leaks(everything, arguments(cluster)) == []
    # Those of the job's tiers are in its pods' environment, where the job's program needs them.
    assert leaks(of_accounts | of_drivers, environments(cluster)) == []


def test_a_namespace_that_is_privileged_lets_a_job_be_root(scene: Scene) -> None:
    cluster = scene.cluster
    cluster.kubectl("label", "namespace", cluster.namespace, f"{ENFORCE_LABEL}=privileged")
    for name in ("root", "deputy"):
        cluster.patch(name, {"scaling": {"interval": "2s"}})  # an edit is looked at at once
    (pod,) = cluster.wait(lambda: cluster.pods("root", "driver"), what="the driver is made")
    (container,) = pod["spec"]["containers"]
    assert container["securityContext"]["runAsUser"] == 0
    # What is no matter of the node stays refused.
    cluster.wait(lambda: cluster.status("deputy").get("observedGeneration") == 2, what="the edit is seen")
    assert cluster.condition("deputy")["reason"] == "PodNotAllowed"
    assert cluster.pods("deputy") == []
