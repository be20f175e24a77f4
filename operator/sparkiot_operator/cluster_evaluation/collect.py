"""Runs a tournament's jobs on a cluster to their end, and brings the operator's audit log."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sparkiot_operator.audit import FILE_NAME, AuditRecord, read_audit
from sparkiot_operator.errors import OperatorError
from sparkiot_operator.kube import KubeApi
from sparkiot_operator.own_namespace import create_all, own_namespace
from sparkiot_operator.times import parse_timestamp

from .jobs import ClusterJob

OWNER = "sparkiot-evaluation"
LOOK_S = 1.0
PATIENCE = 3.0
READY_S = 120.0
"""Jobs may take so many times longer than they should, and so much more."""
FETCH_S = 300.0
AUDIT_IN_POD = "/var/lib/sparkiot/audit"
"""Where the chart's operator keeps its audit log."""


class EvaluationError(OperatorError):
    """The jobs did not come to their end, or nobody knows what was decided; the message says why."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A job that came to its end. origin: job time at which it began, epoch seconds."""

    uid: str
    origin: float


async def run_jobs(
    api: KubeApi,
    jobs: Sequence[ClusterJob],
    *,
    namespace: str,
    wall_s: float,
    say: Callable[[str], None],
    step: Callable[[str, float, float], None],
    at_end: Callable[[], None],
) -> dict[str, Ran]:
    """Apply all jobs and wait until each has ended; by name. Namespace and jobs are deleted then, come what may.

    wall_s: real time that they should take. at_end: called while they still exist.
    Raises EvaluationError, NamespaceInUseError or ApiError.
    """
    async with own_namespace(api, namespace, owner=OWNER, say=say) as place:
        await create_all(api, [job.config_map for job in jobs], place, done=lambda n: step("loads", n, len(jobs)))
        await create_all(api, [job.manifest for job in jobs], place, done=lambda n: step("jobs", n, len(jobs)))
        ran = await _until_ended(api, namespace, len(jobs), wall_s=wall_s, step=step)
        at_end()
        return ran


async def _until_ended(
    api: KubeApi, namespace: str, count: int, *, wall_s: float, step: Callable[[str, float, float], None]
) -> dict[str, Ran]:
    begun, limit = time.monotonic(), PATIENCE * wall_s + READY_S
    while True:
        found = await api.list_jobs(namespace)
        states = {job["metadata"]["name"]: job.get("status") or {} for job in found}
        if failed := [name for name, status in states.items() if status.get("phase") == "Failed"]:
            raise EvaluationError(f"job {failed[0]} failed: {states[failed[0]].get('conditions')}")
        ended = [job for job in found if states[job["metadata"]["name"]].get("phase") == "Completed"]
        elapsed = time.monotonic() - begun
        step(f"{len(ended)} of {count} jobs ended", min(elapsed, wall_s), wall_s)
        if len(ended) == count:
            return {
                job["metadata"]["name"]: Ran(
                    job["metadata"]["uid"], parse_timestamp(job["status"]["simulation"]["origin"])
                )
                for job in ended
            }
        if elapsed > limit:
            raise EvaluationError(
                f"{len(ended)} of {count} jobs have ended after {elapsed:.0f} s: does an operator watch namespace"
                f" {namespace}, and is it fast enough for this acceleration?"
            )
        await asyncio.sleep(LOOK_S)


def records_of(folder: Path, ran: Mapping[str, Ran]) -> dict[str, list[AuditRecord]]:
    """The records of each job by its name, oldest first, from its beginning on. Raises EvaluationError, AuditError."""
    names = {job.uid: name for name, job in ran.items()}
    found: dict[str, list[AuditRecord]] = {name: [] for name in ran}
    try:
        for record in read_audit([folder]):
            if record.ref.uid in names:
                found[names[record.ref.uid]].append(record)
    except FileNotFoundError as error:
        raise EvaluationError(f"{folder}: no such audit log") from error
    if missing := [name for name, records in found.items() if not records]:
        raise EvaluationError(
            f"the audit log in {folder} holds no decision of {len(missing)} jobs, among them {missing[0]}: is it the"
            " log of the operator that ran them, and large enough to keep them?"
        )
    for name, records in found.items():
        if records[0].evaluation.history.proposals:  # it follows another decision
            raise EvaluationError(
                f"the audit log in {folder} has lost the first decisions of {name}: keep more files of it"
                " (--audit-files; chart: audit.files), or evaluate fewer jobs at a time"
            )
    return found


def fetch_audit(namespace: str, deployment: str, *, kubeconfig: Path | None, folder: Path) -> None:
    """Copy the audit log out of the operator's pod, by ``kubectl exec``, into a folder. Raises EvaluationError."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise EvaluationError(
            "kubectl is not in PATH: it brings the audit log from the operator's pod; or pass --audit"
        )
    # Rotated files have other names and older times: oldest first, they are one log.
    script = f"cd {AUDIT_IN_POD} && cat $(ls -tr {FILE_NAME}*)"
    where = ["--kubeconfig", str(kubeconfig)] if kubeconfig else []
    command = [kubectl, *where, "-n", namespace, "exec", f"deployment/{deployment}", "-c", "operator", "--"]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with (folder / FILE_NAME).open("wb") as log:
            done = subprocess.run(  # noqa: S603 - kubectl and our own arguments
                [*command, "sh", "-c", script], stdout=log, stderr=subprocess.PIPE, timeout=FETCH_S, check=False
            )
    except subprocess.TimeoutExpired as error:
        raise EvaluationError(f"kubectl exec took longer than {FETCH_S:g} s to bring the audit log") from error
    if done.returncode != 0:
        raise EvaluationError(
            f"no audit log from deployment {deployment} in {namespace}: {done.stderr.decode(errors='replace').strip()};"
            " the chart keeps one with audit.enabled=true"
        )
