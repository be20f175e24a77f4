"""Two operators on one cluster, as processes: one acts, the other takes over, and none ever acts without the lease.

Each has a service account of its own with the chart's roles, so that the API server's audit log tells who did what.
"""

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from support_access import ACCOUNT, account_kubeconfig, chart_objects, used
from support_operator import Json, Kubectl, Process, free_port, simulated_job, wait_until

from sparkiot_operator.cli.operator import LEASE_LOST
from sparkiot_operator.spark.naming import CONTAINER
from sparkiot_sim.devcluster.identity import ServiceAccount

LEASE_S, DEADLINE_S, RETRY_S = 8, 6, 2
"""The look at the lease comes long after the next cycles of jobs: only the fence stands between them and the server."""
JOBS = ("city", "harbour", "hospital", "mill", "port", "station")
NAMESPACE = "ha"
PEER = json.dumps({"podSelector": {"matchLabels": {"app.kubernetes.io/name": "sparkiot"}}})


class Replica:
    """One operator that competes for the lease."""

    def __init__(self, folder: Path, name: str, kubeconfig: Path, audit: Path) -> None:
        self.name = name
        self.user = f"system:serviceaccount:{NAMESPACE}:{name}"
        self.port = free_port()
        self.process = Process(
            *("operator", "--namespace", NAMESPACE, "--kubeconfig", str(kubeconfig), "--health-port", str(self.port)),
            *("--leader-elect", "--leader-lease-name", ACCOUNT, "--leader-lease-namespace", NAMESPACE),
            *("--leader-lease-seconds", str(LEASE_S), "--leader-deadline-seconds", str(DEADLINE_S)),
            *("--leader-retry-seconds", str(RETRY_S), "--status-interval-seconds", "0.1", "--audit-dir", str(audit)),
            *("--runtime-image", "sparkiot:test", "--endpoint-peer", PEER),
            log=folder / f"{name}.log",
            env={"HOSTNAME": name},
        )

    def leads(self) -> bool:
        return "sparkiot_leader 1.0" in self.get("metrics")

    def get(self, page: str) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{page}", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""


class Pair:
    """An embedded cluster with one job, and replicas that are started by name."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.audit = folder, folder / "requests.jsonl"
        kubeconfig = folder / "kubeconfig"
        self.kubectl = Kubectl(kubeconfig)
        flags = ("--port", "0", "--no-node", "--kubeconfig", str(kubeconfig), "--audit-log", str(self.audit))
        self.cluster = Process("dev", *flags, log=folder / "cluster.log")
        wait_until(kubeconfig.exists, what="the cluster starts")
        self.kubectl("create", "namespace", NAMESPACE)
        self._kubeconfig = kubeconfig
        self.replicas: list[Replica] = []

    def start(self, name: str) -> Replica:
        objects = chart_objects(NAMESPACE, account=name)
        self.kubectl("apply", "-f", "-", stdin=objects)
        found = json.loads(self.kubectl("-n", NAMESPACE, "get", "serviceaccount", name, "-o", "json"))
        account = ServiceAccount(NAMESPACE, name, found["metadata"]["uid"])
        own = account_kubeconfig(self._kubeconfig, account, self.folder / f"{name}.kubeconfig")
        replica = Replica(self.folder, name, own, self.folder / f"{name}.audit")
        self.replicas.append(replica)
        wait_until(lambda: replica.get("readyz"), what=f"{name} is ready, leading or standing by")
        return replica

    def lease(self) -> Json:
        return dict(json.loads(self.kubectl("-n", NAMESPACE, "get", "lease", ACCOUNT, "-o", "json"))["spec"])

    def holder(self) -> str:
        return str(self.lease()["holderIdentity"]).partition("_")[0]

    def get(self, kind: str, name: str) -> Json:
        return dict(json.loads(self.kubectl("-n", NAMESPACE, "get", kind, name, "-o", "json")))

    def status(self, job: str = "city") -> Json:
        return dict(self.get("sij", job).get("status", {}))

    def ready(self, job: str) -> str:
        """What the condition Ready says."""
        conditions = self.status(job).get("conditions", [])
        return next((str(c["message"]) for c in conditions if c["type"] == "Ready"), "")

    def changes(self, replica: Replica) -> list[tuple[float, str, str]]:
        """What a replica changed besides the lease: when, verb, and resource with name.

        Requests that were refused changed nothing, and an event only tells.
        """
        events = map(json.loads, self.audit.read_text().splitlines())
        return [
            (
                datetime.fromisoformat(e["requestReceivedTimestamp"]).timestamp(),
                e["verb"],
                f"{e['objectRef']['resource']}/{e['objectRef'].get('name', '')}",
            )
            for e in events
            if e["user"]["username"] == replica.user
            and e["verb"] not in ("get", "list", "watch")
            and e["objectRef"]["resource"] not in ("leases", "events")
            and e["responseStatus"]["code"] < 300
        ]

    def has_written_all(self, replica: Replica) -> bool:
        return {f"sparkiotjobs/{job}" for job in JOBS} <= {what for _, _, what in self.changes(replica)}

    def busy(self, replica: Replica) -> None:
        """Wait until it has changed something more than now."""
        before = len(self.changes(replica))
        wait_until(lambda: len(self.changes(replica)) > before + 2, what=f"{replica.name} acts")

    def close(self) -> None:
        for replica in self.replicas:
            if replica.process.alive:
                os.kill(replica.process.pid, signal.SIGCONT)
            replica.process.end()
        self.cluster.end()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    found = Pair(tmp_path)
    try:
        yield found
    finally:
        found.close()


def test_one_acts_another_takes_over_and_one_that_was_stopped_never_acts_again(pair: Pair) -> None:
    first = pair.start("first")
    wait_until(first.leads, what="the first leads")
    second = pair.start("second")
    pair.kubectl("-n", NAMESPACE, "apply", "-f", "-", stdin=[simulated_job(job) for job in JOBS])
    pair.busy(first)
    assert not second.leads()
    assert pair.changes(second) == []
    assert pair.holder() == "first"

    # It stops in the middle of whatever it does, and wakes up when another one has its jobs. What is in its hands then
    # is stopped by the fence; what it had begun to send names versions that the other has written over.
    os.kill(first.process.pid, signal.SIGSTOP)
    wait_until(second.leads, what="the second takes over")
    taken = pair.lease()
    wait_until(lambda: pair.has_written_all(second), what="the second has every job")
    before = pair.changes(first)
    os.kill(first.process.pid, signal.SIGCONT)
    assert first.process.exit_code() == LEASE_LOST
    assert pair.changes(first) == before
    assert pair.changes(first)[-1][0] < datetime.fromisoformat(taken["acquireTime"]).timestamp()
    pair.busy(second)
    assert pair.lease()["leaseTransitions"] == taken["leaseTransitions"] == 1

    # In order: the lease is given back, and the next one goes on where this one ended.
    assert second.process.end() == 0
    assert pair.lease()["holderIdentity"] == ""
    left = pair.status()
    third = pair.start("third")
    wait_until(third.leads, what="the third leads")
    pair.busy(third)
    assert pair.status()["allocation"]["generation"] >= left["allocation"]["generation"]
    assert pair.status()["simulation"]["origin"] == left["simulation"]["origin"]
    assert third.process.end() == 0


def live_job(name: str) -> Json:
    application = {
        "image": "spark:test",
        "mainApplicationFile": "local:///main.py",
        "checkpointLocation": "/checkpoint",
    }
    spec = {"backend": "Spark", "application": application, "policy": {"name": "Fixed"}}
    return {**simulated_job(name), "spec": spec}


RUNS = {
    "phase": "Running",
    "podIP": "127.0.0.1",
    "containerStatuses": [
        {
            "name": CONTAINER,
            "image": "spark:test",
            "imageID": "spark:test",
            "ready": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
        }
    ],
}
"""As a node writes of a driver pod. Nobody listens at its endpoint, so no decision changes its allocation."""


def test_a_rolling_replacement_touches_no_running_job(pair: Pair) -> None:
    """As the chart's Deployment does it: a pod more, then one of the old ones ends, and again."""
    old = [pair.start("old-1"), pair.start("old-2")]
    jobs = [simulated_job("city", spec={"policy": {"name": "Fixed"}}), live_job("live")]
    pair.kubectl("-n", NAMESPACE, "apply", "-f", "-", stdin=jobs)
    driver = ("-n", NAMESPACE, "patch", "pod", "live-driver", "--subresource=status", "--type=merge", "-p")
    wait_until(lambda: pair.kubectl.run(*driver, json.dumps({"status": RUNS})).returncode == 0, what="a driver runs")
    wait_until(lambda: "driver pod runs" in pair.ready("live"), what="the operator sees that it runs")
    wait_until(lambda: pair.status().get("decision"), what="the simulated job is decided about")

    def fixed() -> Json:
        """What a job must not notice."""
        live, city = pair.status("live"), pair.status()
        return {
            "driver pod": pair.get("pod", "live-driver")["metadata"]["uid"],
            "driver": (live["driver"]["podUid"], live["driver"]["restarts"], pair.ready("live")),
            "generations": (live["allocation"]["generation"], city["allocation"]["generation"]),
            "origin": city["simulation"]["origin"],
        }

    before, observed = fixed(), pair.status()["simulation"]["time"]
    for number in (1, 2):
        pair.start(f"new-{number}")
        assert old[number - 1].process.end() == 0
    leader = wait_until(lambda: next((r for r in pair.replicas[2:] if r.leads()), None), what="a new one leads")
    pair.busy(leader)
    wait_until(lambda: pair.status()["simulation"]["time"] > observed, what="it is observed again")
    assert fixed() == before
    touched = {(verb, what.partition("/")[0]) for r in pair.replicas[2:] for _, verb, what in pair.changes(r)}
    assert not {(verb, resource) for verb, resource in touched if resource == "pods"}
    assert ("patch", "networkpolicies") in touched

    pair.kubectl("-n", NAMESPACE, "delete", "sij", "live", "--timeout=110s")
    assert pair.kubectl("-n", NAMESPACE, "get", "pods,networkpolicies,secrets", "-o", "name") == ""
    assert {right for r in pair.replicas for right in used(pair.audit, r.user)[1]} == set(), "refused"


def test_a_replica_that_stands_by_ends_in_order_and_says_what_it_lacks(pair: Pair, tmp_path: Path) -> None:
    first = pair.start("first")
    wait_until(first.leads, what="the first leads")
    second = pair.start("second")
    assert second.process.end() == 0
    assert pair.holder() == "first"
    lost = Process(
        *("operator", "--namespace", NAMESPACE, "--kubeconfig", str(tmp_path / "kubeconfig"), "--health-port", "0"),
        "--leader-elect",
        log=tmp_path / "lost.log",
    )
    assert lost.exit_code() == 78
    assert "leader-lease-namespace" in lost.text()
