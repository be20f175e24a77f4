"""One live job from its start to its end: load, pins, restarts, and everything that can be killed.

The tests build on each other: they are chapters in the life of one job, whose sink must hold each row exactly once
after every one of them.
"""

import json
import signal
import time

import pytest
from support_access import ACCOUNT, ASKED_BY_ADMISSION, ASKED_OF_OLD_SERVERS, Right, chart_rights, used
from support_live import PATIENCE_S, Embedded, Json, LiveCluster, LiveJob
from support_operator import config_map, simulated_job
from support_secrets import accounts, arguments, driver_tokens, environments, leaks, written

from sparkiot_operator.audit import read_audit
from sparkiot_operator.landing import steady
from sparkiot_operator.spark import access, naming
from sparkiot_policies.evaluation import Evaluation
from sparkiot_sim.devcluster.celfunctions import parse_quantity
from sparkiot_sim.nodeagent.scheduling import requested

pytestmark = [pytest.mark.timeout(1500), pytest.mark.live]
BASE = 5.0
LOOKUP_MS = 40.0
"""Of one row: look-ups keep one executor busy for a fifth of the time at the base rate, and for four fifths at four
times the rate; what every batch costs comes on top, a second or two on two cores."""
WARM_BATCHES = 8
"""The first batches of a Spark driver take many times longer than those after them: its code is compiled meanwhile."""
MEMORY = "1536Mi"


@pytest.fixture(scope="module")
def job(cluster: LiveCluster) -> LiveJob:
    found = LiveJob(cluster, "city")
    found.prepare()
    found.apply(lookup_ms=LOOKUP_MS)
    # Warm up with one executor: a cold JVM looks overloaded.
    cluster.patch(found.name, {"scaling": {"executors": {"max": 1}}})
    cluster.wait(found.ready, what="the job is ready")
    found.load(steady(BASE), 3600)
    cluster.wait(lambda: found.batches() >= WARM_BATCHES, what="the job is warm", patience_s=2 * PATIENCE_S)
    cluster.patch(found.name, {"scaling": {"executors": {"max": 3}}})
    return found


def pod_uid(job: LiveJob) -> str:
    (driver,) = job.cluster.pods(job.name, "driver")
    return str(driver["metadata"]["uid"])


def executor_pods(job: LiveJob) -> set[str]:
    return {str(pod["metadata"]["name"]) for pod in job.cluster.running_executors(job.name)}


def evaluations(job: LiveJob) -> list[Evaluation]:
    """What was known at each decision, oldest first."""
    return [record.evaluation for record in read_audit([job.cluster.audit]) if record.ref.name == job.name]


def settled(job: LiveJob) -> None:
    check = job.settle()
    assert check.exactly_once, str(check)


def test_a_load_that_rises_fourfold_gets_executors_and_gives_them_back(cluster: LiveCluster, job: LiveJob) -> None:
    job.end_load()
    before, application = pod_uid(job), cluster.status(job.name)["driver"]["applicationId"]
    cluster.wait(lambda: job.executors() == 1, what="one executor carries the base load")
    job.load(steady(4 * BASE), 3600)
    minute = time.monotonic() + 60
    cluster.wait(lambda: job.executors() >= 3, what="three executors run")
    time.sleep(max(minute - time.monotonic(), 0))
    most = job.executors()
    job.load(steady(BASE), 3600)
    cluster.wait(lambda: job.executors() < most, what="executors go with the load")
    # What one executor carries beside a batch's fixed cost depends on the machine; nothing at all it carries anywhere.
    job.end_load()
    cluster.wait(lambda: job.executors() == 1, what="one executor is left")
    assert len(cluster.running_executors(job.name)) == 1
    settled(job)
    driver = cluster.status(job.name)["driver"]
    assert pod_uid(job) == before
    assert (driver["applicationId"], driver["restarts"]) == (application, 0)
    assert driver["failedBatches"] == 0
    assert driver["startup"]


def test_desired_and_applied_are_side_by_side(cluster: LiveCluster, job: LiveJob) -> None:
    def in_force() -> Json | None:
        status = cluster.status(job.name)
        applied = status.get("applied", {}).get("generation")
        return status if applied == status["allocation"]["generation"] else None

    status = cluster.wait(in_force, what="what is desired is in force")
    desired, applied = status["allocation"], status["applied"]
    assert (applied["executors"], applied["memory"]) == (desired["executors"], desired["memory"])
    shown = cluster("get", "sij", job.name, "-o", "wide").splitlines()
    assert {"EXECUTORS", "WANTED", "APPLIED", "GENERATION"} <= set(shown[0].split())


def test_kubectl_scale_pins_executors_until_it_is_cleared(cluster: LiveCluster, job: LiveJob) -> None:
    job.load(steady(BASE), 3600)
    cluster("scale", "sij", job.name, "--replicas=3")
    cluster.wait(lambda: job.executors() == 3, what="three executors run")
    cluster(
        "patch", "sij", job.name, "--type=json", "-p", '[{"op":"remove","path":"/spec/scaling/executors/override"}]'
    )
    limited = "ScalingLimited"
    cluster.wait(lambda: cluster.condition(job.name, limited)["reason"] != "Override", what="the policy decides again")


def test_nothing_is_scaled_in_an_excluded_period(cluster: LiveCluster, job: LiveJob) -> None:
    always = [{"start": "00:00", "end": "12:00"}, {"start": "12:00", "end": "00:00"}]
    cluster("scale", "sij", job.name, "--replicas=1")
    cluster.wait(lambda: cluster.status(job.name)["allocation"]["executors"] == 1, what="one executor is wanted")
    held = {"scaling": {"excludedPeriods": always, "executors": {"override": None}}, "policy": {"name": "Fixed"}}
    cluster.patch(job.name, held)
    cluster.wait(
        lambda: cluster.condition(job.name, "ScalingLimited")["reason"] == "ExcludedPeriod", what="the period holds"
    )
    status = cluster.status(job.name)
    assert status["recommended"]["executors"] > 3
    assert status["allocation"]["executors"] == 1
    cluster.patch(job.name, {"scaling": {"excludedPeriods": []}})
    cluster.wait(lambda: cluster.status(job.name)["allocation"]["executors"] == 3, what="three are wanted after it")
    cluster.patch(job.name, {"policy": {"name": "Rate"}})


def test_a_killed_executor_is_replaced(cluster: LiveCluster, job: LiveJob) -> None:
    # Pinned from here on, so that only what is killed changes the number of executors.
    cluster("scale", "sij", job.name, "--replicas=2")
    cluster.wait(lambda: job.executors() == 2, what="two executors run")
    cluster.wait(lambda: len(executor_pods(job)) == 2, what="those that had to go are gone")
    old = executor_pods(job)
    cluster.kill_executor(min(old))
    cluster.wait(lambda: executor_pods(job) - old, what="another executor runs")
    settled(job)


def test_an_executor_that_has_to_end_is_replaced_ahead(cluster: LiveCluster, job: LiveJob) -> None:
    """What an eviction, as in a drain of its node, leaves in a pod before its end. Two executors are pinned."""
    old, before = executor_pods(job), len(evaluations(job))
    generation = cluster.status(job.name)["allocation"]["generation"]
    ending = min(old)
    cluster.announce_end(ending)
    cluster.wait(lambda: len(executor_pods(job) - old) == 1, what="another executor runs")
    cluster.wait(lambda: ending not in executor_pods(job), what="the one that had to end has left")
    cluster.wait(lambda: "ExecutorsEnding" in cluster.reasons(job.name), what="an event says so")
    # Everybody knew of it, and nobody decided anything.
    assert any(seen.leaving and seen.disrupted for seen in evaluations(job)[before:])
    assert cluster.status(job.name)["allocation"]["generation"] == generation


def test_a_quota_without_room_stops_growth_and_says_so(cluster: LiveCluster, job: LiveJob) -> None:
    cluster.wait(lambda: len(cluster.pods(job.name)) == 3, what="a driver and two executors, and nobody on the way out")
    found = json.loads(cluster("get", "pods", "-o", "json"))["items"]
    # Those that a quota counts: what has ended may stand in the list for a while.
    pods = sum(pod["status"].get("phase") not in ("Succeeded", "Failed") for pod in found)
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "tight"}}
    cluster("apply", "-f", "-", stdin=({**quota, "spec": {"hard": {"pods": str(pods)}}},))
    # Before the job asks for more: its operator looks every ten seconds.
    cluster.wait(lambda: evaluations(job)[-1].quota_executors == 2, what="the quota is known")
    cluster("scale", "sij", job.name, "--replicas=3")
    cluster.wait(lambda: cluster.condition(job.name, "ScalingLimited")["reason"] == "Quota", what="the quota limits")
    assert "the namespace's quota has room for 2" in cluster.condition(job.name, "ScalingLimited")["message"]
    cluster.wait(lambda: "QuotaReached" in cluster.reasons(job.name), what="an event says so")
    assert cluster.status(job.name)["allocation"]["executors"] == 2
    cluster("scale", "sij", job.name, "--replicas=2")
    cluster("delete", "resourcequota", "tight")


def test_a_full_cluster_stops_growth_and_says_so(cluster: LiveCluster, job: LiveJob) -> None:
    if not isinstance(cluster, Embedded):
        pytest.skip("fills the one node of the embedded cluster")
    (node,) = json.loads(cluster.kubectl("get", "nodes", "-o", "json"))["items"]
    pods = json.loads(cluster.kubectl("get", "pods", "--all-namespaces", "-o", "json"))["items"]
    taken = sum(requested(pod, "memory") for pod in pods if pod["status"].get("phase") in ("Pending", "Running"))
    left = int(parse_quantity(node["status"]["allocatable"]["memory"])) - int(taken) - (256 << 20)
    sleep = {"name": "sleep", "image": cluster.spark_image, "command": ["sleep", "600"]}
    filler = {"containers": [{**sleep, "resources": {"requests": {"memory": str(left)}}}]}
    cluster(
        "apply", "-f", "-", stdin=({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "filler"}, "spec": filler},)
    )
    cluster.patch(job.name, {"scaling": {"executors": {"max": 4, "override": 3}}})
    cluster.wait(lambda: cluster.condition(job.name, "Degraded")["reason"] == "Unschedulable", what="nobody has room")
    assert "Unschedulable" in cluster.reasons(job.name)
    cluster.patch(job.name, {"scaling": {"executors": {"override": 4}}})
    cluster.wait(
        lambda: cluster.condition(job.name, "ScalingLimited")["reason"] == "Unschedulable", what="the cluster limits"
    )
    assert cluster.status(job.name)["allocation"]["executors"] == 3
    cluster.patch(job.name, {"scaling": {"executors": {"override": 2, "max": 3}}})
    cluster("delete", "pod", "filler", "--grace-period=1")
    cluster.wait(lambda: cluster.condition(job.name, "Degraded")["status"] == "False", what="every executor has room")


def test_memory_changes_by_a_restart_from_the_checkpoint(cluster: LiveCluster, job: LiveJob) -> None:
    before = pod_uid(job)
    job.load(steady(BASE), 3600)
    cluster.patch(job.name, {"scaling": {"memory": {"min": MEMORY, "max": MEMORY}}})
    cluster.wait(
        lambda: cluster.status(job.name).get("applied", {}).get("memory") == MEMORY, what="the memory is in force"
    )
    cluster.wait(lambda: cluster.status(job.name)["driver"].get("restartCost"), what="the restart's cost is known")
    cluster.wait(job.ready, what="the job is ready again")
    settled(job)
    containers = [executor["spec"]["containers"][0] for executor in cluster.running_executors(job.name)]
    assert {container["resources"]["requests"]["memory"] for container in containers} == {MEMORY}
    # In the driver pod that ran before: Spark restarted, not the pod.
    assert pod_uid(job) == before
    # And the next decisions reckon with what was measured.
    records = list(read_audit([cluster.audit]))
    assert any(r.ref.name == job.name and r.evaluation.restart_cost_s for r in records)


def test_a_killed_driver_comes_back_from_the_checkpoint(cluster: LiveCluster, job: LiveJob) -> None:
    before = pod_uid(job)
    restarts = cluster.status(job.name)["driver"]["restarts"]
    job.load(steady(BASE), 3600)
    cluster.kill_driver(f"{job.name}-driver")
    cluster.wait(
        lambda: cluster.status(job.name).get("driver", {}).get("restarts", 0) > restarts, what="a restart is counted"
    )
    cluster.wait(job.ready, what="the job is ready again")
    assert pod_uid(job) != before
    settled(job)


def test_a_killed_operator_leaves_the_job_running_and_its_successor_adopts_it(
    cluster: LiveCluster, job: LiveJob
) -> None:
    before = pod_uid(job)
    job.load(steady(BASE), 3600)
    assert cluster.operator is not None
    cluster.operator.end(signal.SIGKILL)
    written = job.check().found
    cluster.wait(lambda: job.check().found > written + BASE, what="the job goes on by itself")
    cluster.start_operator()
    generation = cluster.status(job.name)["allocation"]["generation"]
    cluster("scale", "sij", job.name, "--replicas=1")
    cluster.wait(lambda: job.executors() == 1, what="the new operator scales it")
    assert cluster.status(job.name)["allocation"]["generation"] > generation
    assert pod_uid(job) == before
    settled(job)


def test_an_api_server_that_hangs_costs_nothing(cluster: LiveCluster, job: LiveJob, hang_s: float) -> None:
    before, events = pod_uid(job), cluster.reasons(job.name).count("Started")
    job.load(steady(BASE), 3600)
    with cluster.api_stopped():
        written = job.check().found
        time.sleep(hang_s)
        cluster.wait(lambda: job.check().found > written + BASE, what="the job runs on meanwhile")
    cluster("scale", "sij", job.name, "--replicas=2")
    cluster.wait(lambda: job.executors() == 2, what="the operator acts again")
    cluster.wait(job.ready, what="the job is ready")
    assert pod_uid(job) == before
    assert cluster.reasons(job.name).count("Started") == events
    settled(job)


def test_suspend_stops_everything_and_resume_goes_on(cluster: LiveCluster, job: LiveJob) -> None:
    job.load(steady(BASE), 3600)
    cluster.patch(job.name, {"suspend": True})
    cluster.wait(lambda: cluster.status(job.name)["phase"] == "Suspended", what="the job is suspended")
    assert cluster.pods(job.name) == []
    cluster.patch(job.name, {"suspend": False})
    cluster.wait(job.ready, what="the job is ready again")
    settled(job)


def test_no_secret_is_in_anything_that_was_written(cluster: LiveCluster, job: LiveJob) -> None:
    """After scaling, restarts and kills: logs, status, events, objects, audit logs, /proc of driver and executors."""
    if not isinstance(cluster, Embedded):
        pytest.skip("needs the embedded cluster, whose processes are of this machine")
    secrets = accounts(cluster) | driver_tokens(cluster)
    assert f"token of {naming.base_name(job.name)}" in secrets
    assert any("KubernetesExecutorBackend" in text for _, text in arguments(cluster))
    assert leaks(secrets, written(cluster)) == []
    assert leaks(secrets, arguments(cluster)) == []
    assert leaks(secrets, environments(cluster)) == []


def test_deletion_leaves_nothing(cluster: LiveCluster, job: LiveJob) -> None:
    cluster("delete", "sij", job.name, "--timeout=240s")
    assert cluster.pods(job.name) == []
    kinds = "serviceaccounts,roles,rolebindings,secrets,configmaps,services"
    left = cluster("get", kinds, "-l", f"sparkiot.dev/job={job.name}", "-o", "name")
    assert left.split() == []
    settled(job)


def test_every_right_was_used_and_none_was_missing(cluster: LiveCluster, request: pytest.FixtureRequest) -> None:
    """After a whole life of a live job: the chart's role, and that of the driver, against what was asked for."""
    chapters = [item for item in request.session.items if item.path == request.path]
    if len(chapters) < sum(name.startswith("test_") for name in dir(request.module)):
        pytest.skip("some of the job's other tests were left out")
    log = cluster.api_log
    if log is None or not isinstance(cluster, Embedded):
        pytest.skip("needs the embedded cluster, where the operator has the chart's roles, and its audit log")
    spent = {"ttlSecondsAfterFinished": 0, "scaling": {"interval": "10s"}}
    trace = {"trace": {"configMapKeyRef": {"name": "load", "key": "trace.csv"}}}
    cluster("apply", "-f", "-", stdin=(config_map("load", ["timestamp,value", "0,100", "600,100"]),))
    played = simulated_job("played", spec=spent, simulation={"workload": trace, "acceleration": 600, "duration": "5m"})
    cluster("apply", "-f", "-", stdin=(played,))
    cluster.wait(
        lambda: cluster.kubectl.run("-n", cluster.namespace, "get", "sij", "played").returncode, what="its end"
    )

    user = f"system:serviceaccount:{cluster.namespace}:"
    got, refused = used(log, user + naming.base_name("city"))
    assert refused == set()
    assert got == Right.of(access.rules("city", resize=False)) - ASKED_OF_OLD_SERVERS
    got, refused = used(log, user + ACCOUNT)
    assert refused == set()
    assert got == chart_rights("operator") - ASKED_BY_ADMISSION
