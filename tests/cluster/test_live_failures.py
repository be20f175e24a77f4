"""Jobs that cannot run: each says why, in the pod's own words, and an operator that dies at a bad moment."""

import json
import signal
from typing import Any

import pytest
from support_live import Json, LiveCluster, LiveJob

pytestmark = [pytest.mark.timeout(1500), pytest.mark.live]
RETRIES = 1


def started(cluster: LiveCluster, name: str, **changes: Any) -> LiveJob:
    job = LiveJob(cluster, name)
    job.prepare()
    job.apply(restartPolicy={"maxRetries": RETRIES, "backoff": "1s"}, **changes)
    return job


def gave_up(job: LiveJob) -> Json:
    """The condition Ready of a job that is not started again."""
    cluster = job.cluster
    cluster.wait(lambda: cluster.status(job.name).get("phase") == "Failed", what=f"{job.name} is given up")
    return cluster.condition(job.name)


def test_a_file_that_fails_at_its_imports(cluster: LiveCluster) -> None:
    job = LiveJob(cluster, "imports")
    job.prepare()
    main = job.folder / "main.py"
    main.write_text("import no_such_module_of_mine\n")
    job.apply(
        restartPolicy={"maxRetries": RETRIES, "backoff": "1s"}, application={"mainApplicationFile": f"local://{main}"}
    )
    ready = gave_up(job)
    assert ready["reason"] == "ApplicationFailed"
    assert "no_such_module_of_mine" in ready["message"]
    status = cluster.status(job.name)
    assert (status["driver"]["restarts"], status["driver"]["failures"]) == (RETRIES, RETRIES + 1)
    assert {"ApplicationFailed", "GaveUp"} <= set(cluster.reasons(job.name))


def test_an_image_that_does_not_exist(cluster: LiveCluster) -> None:
    job = started(cluster, "image", application={"image": "no-such-image:1", "imagePullPolicy": "IfNotPresent"})
    cluster.wait(
        lambda: cluster.condition(job.name).get("reason") in ("ImagePullBackOff", "ErrImageNeverPull"),
        what="the image's problem is told",
    )
    assert "no-such-image:1" in cluster.condition(job.name)["message"]
    assert cluster.status(job.name)["phase"] == "Pending"
    # An image that exists mends it.
    cluster.patch(job.name, {"application": {"image": cluster.spark_image, "imagePullPolicy": cluster.pull_policy}})
    cluster.wait(lambda: "SpecChanged" in cluster.reasons(job.name), what="the restart is announced")
    cluster.wait(job.ready, what="the job runs with the mended image")
    cluster("delete", "sij", job.name, "--timeout=240s")


def test_another_spark_release_than_the_image_holds(cluster: LiveCluster) -> None:
    job = started(cluster, "release", application={"sparkVersion": "9.9.9"})
    ready = gave_up(job)
    assert ready["reason"] == "SparkVersionMismatch"
    assert "9.9.9" in ready["message"]
    assert cluster.spark_version in ready["message"]
    # No repetition mends it, so none was tried.
    assert cluster.status(job.name)["driver"]["restarts"] == 0


def test_a_service_account_without_rights(cluster: LiveCluster) -> None:
    cluster("apply", "-f", "-", stdin=({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}},))
    job = started(cluster, "rights", application={"serviceAccountName": "nobody"})
    ready = gave_up(job)
    assert "orbidden" in ready["message"]
    assert "nobody" in ready["message"]


def test_a_checkpoint_that_cannot_be_reached(cluster: LiveCluster) -> None:
    unreachable = "/proc/no-such-folder"
    job = LiveJob(cluster, "checkpoint")
    job.prepare()
    manifest = job.manifest(restartPolicy={"maxRetries": RETRIES, "backoff": "1s"})
    application = manifest["spec"]["application"]
    arguments = application["arguments"]
    arguments[arguments.index("--checkpoint") + 1] = unreachable
    application["checkpointLocation"] = unreachable
    cluster("apply", "-f", "-", stdin=(manifest,))
    ready = gave_up(job)
    assert unreachable in ready["message"]


def test_executors_that_never_start_end_in_a_condition(cluster: LiveCluster) -> None:
    job = LiveJob(cluster, "executors")
    job.prepare()
    manifest = job.manifest(restartPolicy={"type": "Never"})
    manifest["spec"]["application"]["sparkConf"] |= {
        "spark.executor.extraJavaOptions": "-javaagent:/no-such-agent.jar",
        "spark.executor.maxNumFailures": "2",
    }
    cluster("apply", "-f", "-", stdin=(manifest,))
    ready = gave_up(job)
    assert ready["reason"] == "ExecutorsKeepFailing"
    assert "GaveUp" in cluster.reasons(job.name)


def test_a_driver_that_runs_out_of_memory(cluster: LiveCluster) -> None:
    job = LiveJob(cluster, "greedy")
    job.prepare()
    main = job.folder / "main.py"
    main.write_text("import time\nkept = bytearray(2 << 30)\ntime.sleep(3600)\n")
    job.apply(restartPolicy={"type": "Never"}, application={"mainApplicationFile": f"local://{main}"})
    ready = gave_up(job)
    assert ready["reason"] == "DriverOutOfMemory"
    assert "spec.application.driver.memory" in ready["message"]


@pytest.fixture(scope="module")
def adopted(cluster: LiveCluster) -> tuple[LiveJob, Json]:
    """A job whose operator was killed right after it had created the driver pod, and that pod."""
    assert cluster.operator is not None
    job = started(cluster, "once")
    (pod,) = cluster.wait(lambda: cluster.pods(job.name, "driver"), what="the driver pod is created")
    cluster.operator.end(signal.SIGKILL)
    cluster.start_operator()
    cluster.wait(job.ready, what="the job is ready")
    return job, pod


def test_an_operator_killed_right_after_it_created_the_driver_never_makes_two(
    cluster: LiveCluster, adopted: tuple[LiveJob, Json]
) -> None:
    job, pod = adopted
    (driver,) = cluster.pods(job.name, "driver")
    assert driver["metadata"]["uid"] == pod["metadata"]["uid"]
    status = cluster.status(job.name)
    assert (status["driver"]["podUid"], status["driver"]["restarts"]) == (pod["metadata"]["uid"], 0)


def test_a_driver_that_missed_the_push_reads_it_from_the_api(
    cluster: LiveCluster, adopted: tuple[LiveJob, Json]
) -> None:
    assert cluster.operator is not None
    job, _ = adopted
    cluster.operator.end(signal.SIGKILL)
    # As an operator leaves it that dies between writing the status and telling the driver.
    desired = cluster.status(job.name)["allocation"]
    missed = {**desired, "executors": desired["executors"] + 1, "generation": desired["generation"] + 1}
    patch = json.dumps({"status": {"allocation": missed}})
    cluster("patch", "sij", job.name, "--subresource=status", "--type=merge", "-p", patch)
    cluster.wait(
        lambda: len(cluster.running_executors(job.name)) == missed["executors"], what="the driver has read the status"
    )
    cluster.start_operator()
    cluster.wait(
        lambda: cluster.status(job.name).get("applied", {}).get("generation", 0) >= missed["generation"],
        what="the next operator sees that it is in force",
    )
    cluster("delete", "sij", job.name, "--timeout=240s")
