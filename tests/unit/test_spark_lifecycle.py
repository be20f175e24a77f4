"""What is done about a driver pod: never two of them, attempts that are counted, and edits that name their field."""

from typing import Any

import pytest

from sparkiot_operator.resource.spec import RestartPolicy
from sparkiot_operator.resource.status import DriverStatus, FailureStatus, Phase
from sparkiot_operator.spark.diagnosis import DriverState, DriverView
from sparkiot_operator.spark.lifecycle import Plan, Step, plan, retried
from sparkiot_operator.times import parse_timestamp, precise_timestamp, timestamp

NOW = 1_700_000_000.0
POLICY = RestartPolicy(type="OnFailure", max_retries=2, backoff="10s", reset_after="10m")
NEW = DriverStatus(pod="city-driver")
RUNNING = NEW.model_copy(update={"pod_uid": "p1", "started": timestamp(NOW - 60)})


def view(state: DriverState, **changes: Any) -> DriverView:
    return DriverView(**{"state": state, "uid": "p1", "spec_hash": "h1", "started_at": NOW - 60, **changes})


ABSENT = DriverView(state=DriverState.ABSENT)
FAILED = view(DriverState.FAILED, reason="ApplicationFailed", message="no module named x")


def planned(seen: DriverView, known: DriverStatus = RUNNING, *, now: float = NOW, **changes: Any) -> Plan:
    arguments: dict[str, Any] = {"wanted_hash": "h1", "changed": [], "policy": POLICY, **changes}
    return plan(seen, known=known, now=now, **arguments)


def test_a_new_job_gets_a_pod() -> None:
    found = planned(ABSENT, NEW)
    assert (found.step, found.phase, found.reason) == (Step.CREATE, Phase.PENDING, "DriverStarting")


def test_a_pod_that_nobody_wrote_down_is_adopted() -> None:
    """The operator was killed between creating the pod and writing the status."""
    found = planned(view(DriverState.RUNNING), NEW)
    assert (found.step, found.driver.pod_uid, found.driver.failures) == (Step.RUN, "p1", 0)
    assert found.driver.started == timestamp(NOW - 60)


@pytest.mark.parametrize("state", [DriverState.PENDING, DriverState.TERMINATING])
def test_no_second_pod_while_one_is_there(state: DriverState) -> None:
    assert planned(view(state)).step is Step.WAIT


def test_another_spec_replaces_the_pod_and_names_the_field() -> None:
    found = planned(view(DriverState.RUNNING, spec_hash="h0"), changed=["spec.application.image"])
    assert (found.step, found.reason) == (Step.REPLACE, "SpecChanged")
    assert "spec.application.image" in found.message
    assert found.driver.pod_uid is None
    # Its pod is gone then, and that is no failure.
    after = planned(ABSENT, found.driver)
    assert (after.step, after.driver.failures, after.driver.restarts) == (Step.CREATE, 0, 0)


def test_a_failed_driver_waits_for_its_back_off_and_is_counted_once() -> None:
    first = planned(FAILED)
    assert (first.step, first.reason, first.driver.failures) == (Step.WAIT, "ApplicationFailed", 1)
    assert "no module named x" in first.message
    assert first.driver.next_start == precise_timestamp(NOW + 10)
    again = planned(FAILED, first.driver, now=NOW + 5)
    assert (again.step, again.driver) == (Step.WAIT, first.driver)
    due = planned(FAILED, first.driver, now=NOW + 10)
    assert (due.step, due.driver.restarts, due.driver.pod_uid) == (Step.REPLACE, 1, None)
    # The pod is deleted, then its successor is created at once.
    assert planned(view(DriverState.TERMINATING), due.driver, now=NOW + 10).step is Step.WAIT
    created = planned(ABSENT, due.driver, now=NOW + 11)
    assert (created.step, created.driver.failures) == (Step.CREATE, 1)


def test_a_start_that_a_wrong_clock_put_off_is_due() -> None:
    """The clock was two hours ahead when the driver failed, and is right again."""
    failed = planned(FAILED, now=NOW + 7200)
    assert failed.driver.next_start == precise_timestamp(NOW + 7210)
    assert planned(FAILED, failed.driver, now=NOW + 7201).step is Step.WAIT
    assert planned(FAILED, failed.driver, now=NOW).step is Step.REPLACE
    gone = planned(ABSENT, RUNNING, now=NOW + 7200)
    assert planned(ABSENT, gone.driver, now=NOW).step is Step.CREATE


def test_attempts_end() -> None:
    known = RUNNING.model_copy(update={"failures": 2})
    found = planned(FAILED, known)
    assert (found.step, found.phase, found.reason) == (Step.WAIT, Phase.FAILED, "ApplicationFailed")
    assert "maxRetries is 2" in found.message
    # And nothing is tried by another turn, or by another operator.
    assert planned(FAILED, found.driver, now=NOW + 1e5).phase is Phase.FAILED


def test_an_edit_gives_all_attempts_back() -> None:
    given_up = planned(FAILED, RUNNING.model_copy(update={"failures": 2})).driver
    first = planned(FAILED, retried(given_up))
    assert (first.step, first.phase, first.driver.failures) == (Step.WAIT, Phase.PENDING, 1)


def test_failures_are_forgotten_after_a_long_run() -> None:
    long_ago = timestamp(NOW - 601)
    known = RUNNING.model_copy(update={"failures": 2, "started": long_ago})
    assert planned(view(DriverState.RUNNING), known).driver.failures == 0
    assert planned(FAILED, known).driver.failures == 1


def test_a_permanent_failure_is_final_at_once() -> None:
    assert planned(view(DriverState.FAILED, reason="SparkVersionMismatch", permanent=True)).phase is Phase.FAILED


def test_a_pod_that_vanished_counts_as_a_failure() -> None:
    found = planned(ABSENT)
    assert (found.step, found.reason, found.driver.failures) == (Step.WAIT, "DriverLost", 1)
    due = parse_timestamp(found.driver.next_start or "")
    created = planned(ABSENT, found.driver, now=due)
    assert (created.step, created.driver.failures, created.driver.restarts) == (Step.CREATE, 1, 1)


def test_a_deletion_by_hand_restarts_without_counting() -> None:
    gone = planned(view(DriverState.TERMINATING)).driver
    found = planned(ABSENT, gone)
    assert (found.step, found.driver.failures) == (Step.CREATE, 0)


@pytest.mark.parametrize(("kind", "phase"), [("OnFailure", Phase.COMPLETED), ("Always", Phase.PENDING)])
def test_an_application_that_ended_by_itself(kind: str, phase: Phase) -> None:
    policy = POLICY.model_copy(update={"type": kind})
    assert planned(view(DriverState.SUCCEEDED), policy=policy).phase is phase


def test_an_application_that_shall_always_run_is_never_given_up() -> None:
    policy = POLICY.model_copy(update={"type": "Always"})
    known = RUNNING
    for turn in range(5):
        pod = view(DriverState.SUCCEEDED, uid=f"p{turn}")
        waiting = planned(pod, known, policy=policy)
        assert (waiting.step, waiting.driver.failures) == (Step.WAIT, 1)
        known = planned(pod, waiting.driver, policy=policy, now=NOW + 10).driver
    assert known.restarts == 5


def test_never_restarts_never() -> None:
    found = planned(FAILED, policy=POLICY.model_copy(update={"type": "Never"}))
    assert (found.phase, found.driver.last_failure) == (
        Phase.FAILED,
        FailureStatus(time=timestamp(NOW), reason="ApplicationFailed", message="no module named x", pod_uid="p1"),
    )
