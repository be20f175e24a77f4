"""The Spark backend: one driver pod a job. It brings the pod about, watches it, and speaks with the runtime in it.

Spark itself creates the executor pods, which belong to the driver's. What to do about the driver pod is decided in
``spark.lifecycle``; what its objects look like in ``spark.manifests``; here are the calls.
"""

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, TypeVar

from sparkiot_operator.allocations import applied_status
from sparkiot_operator.driver_client import DriverClient
from sparkiot_operator.driver_tokens import TOKEN_LIFETIME_S, DriverTokens, new_token
from sparkiot_operator.errors import (
    ApiConflictError,
    ApiNotFoundError,
    ApiRefusedError,
    BackendFailedError,
    BackendRefusedError,
    DriverError,
)
from sparkiot_operator.events import JobRef
from sparkiot_operator.quota_look import QuotaLook
from sparkiot_operator.resource.spec import SparkIoTJobSpec
from sparkiot_operator.resource.status import AppliedStatus, DriverStatus, Phase
from sparkiot_operator.resource.translate import InvalidSpecError
from sparkiot_operator.spark import naming
from sparkiot_operator.spark.allocation import AllocationRequest
from sparkiot_operator.spark.confinement import Confinement, refusals
from sparkiot_operator.spark.diagnosis import DriverState, PodView, diagnose
from sparkiot_operator.spark.health import Health, health
from sparkiot_operator.spark.isolation import network_policy
from sparkiot_operator.spark.lifecycle import Plan, Step, plan
from sparkiot_operator.spark.manifests import DriverObjects, DriverRequest, build_objects, owned_metadata
from sparkiot_operator.spark.measurement import measure
from sparkiot_operator.spark.properties import Capabilities
from sparkiot_operator.spark.report import DriverReport, DriverRunState
from sparkiot_operator.spark.restart_fields import changed_fields, spec_hash
from sparkiot_operator.spark.shuffle_state import shuffle_state
from sparkiot_operator.spark.validation import problems, required_application
from sparkiot_operator.tier_access import TierLook
from sparkiot_operator.times import format_seconds
from sparkiot_policies.job import Prices
from sparkiot_policies.measurement import Measurement

from .base import BackendState, Desired, Observed

LOGGER = logging.getLogger(__name__)
MANAGER = "sparkiot-operator"
STOP_S = 90.0
"""Seconds that a driver gets to stop its queries and executors; the pod's own grace period is shorter."""
STOP_POLL_S = 0.5
LEFTOVER_GRACE_S = 5
Json = dict[str, Any]
T = TypeVar("T")


class ObjectsApi(Protocol):
    """The calls of the backend to the Kubernetes API; each raises ApiError. ``kube.KubeApi`` is the real one."""

    async def list_pods(self, namespace: str, selector: str) -> list[Json]: ...

    async def read(self, path: str) -> Json: ...

    async def create(self, path: str, manifest: Mapping[str, Any]) -> Json: ...

    async def apply(self, path: str, manifest: Mapping[str, Any], *, manager: str) -> None: ...

    async def delete(self, path: str, *, uid: str | None = None, grace_s: int | None = None) -> None: ...


class SparkBackend:
    """One live job.

    known: what its status says of the driver; None for a job that never ran. runtime_image: brings the driver's
    runtime. pod_resize: whether the cluster resizes pods in place. peers: who may call the driver's endpoint; with any
    of them the job gets a network policy. confinement: what its pods may ask for. token_lifetime_s: seconds after
    which the endpoint's token is replaced. Raises InvalidSpecError for Spark properties that only the operator may set.
    """

    def __init__(
        self,
        ref: JobRef,
        spec: SparkIoTJobSpec,
        *,
        objects: ObjectsApi,
        drivers: DriverClient,
        runtime_image: str,
        runtime_image_pull_policy: str | None,
        pod_resize: bool,
        known: DriverStatus | None,
        peers: Sequence[Mapping[str, Any]] = (),
        confinement: Confinement | None = None,
        token_lifetime_s: float = TOKEN_LIFETIME_S,
    ) -> None:
        if wrong := problems(spec):
            raise InvalidSpecError(wrong)
        self._ref = ref
        self._spec = spec
        self._objects = objects
        self._drivers = drivers
        self._runtime_image = runtime_image
        self._runtime_image_pull_policy = runtime_image_pull_policy
        self._capabilities = Capabilities(pod_resize=pod_resize)
        self._base = naming.base_name(ref.name)
        self._hash = spec_hash(spec)
        self._known = known or DriverStatus(pod=self._base)
        self._plan: Plan | None = None
        self._view: PodView | None = None
        self._desired: Desired | None = None
        self._report: DriverReport | None = None
        self._seen: int | None = None
        self._unreachable: str | None = None
        self._out_of_memory: frozenset[str] = frozenset()
        metadata = owned_metadata(namespace=ref.namespace, job=ref.name, uid=ref.uid)
        self._tokens = DriverTokens(objects, metadata, lifetime_s=token_lifetime_s)
        self._tiers = TierLook(objects, spec, ref.namespace)
        self._quota = QuotaLook(objects, spec, ref.namespace)
        self._peers = peers
        self._confinement = confinement or Confinement()
        self._closed = not peers

    @property
    def state(self) -> BackendState:
        found = Health(Phase.PENDING, "DriverStarting", "the driver pod was not looked at yet")
        if self._plan is not None and self._view is not None:
            found = health(self._plan, self._view, self._report, unreachable=self._unreachable)
        return BackendState(
            phase=found.phase,
            ready=found.ready,
            reason=found.reason,
            message=found.message,
            applied=_applied(self._report),
            driver=self._known,
            shuffle=shuffle_state(self._report, self._tiers.found) if self._tiers.needed else None,
        )

    async def ensure(self, desired: Desired, *, now: float) -> None:
        self._desired = desired
        if self._report is None or not self._report.tier_checks:
            self._tiers.refresh(now)
        view = await self._look()
        decided = self._decide(view, now)
        if decided.step is Step.RUN:
            await self._close()
        elif decided.step is Step.CREATE:
            decided = await self._create(desired, decided, now)
        elif decided.step is Step.REPLACE:
            await self._call(self._objects.delete(self._pod_path(self._base), uid=view.driver.uid))
        if decided.step is not Step.RUN:
            self._report = self._seen = self._unreachable = None
        self._plan, self._known = decided, decided.driver

    async def observe(self, *, now: float) -> Observed:
        decided, view, desired = self._plan, self._view, self._desired
        if (
            decided is None
            or view is None
            or desired is None
            or decided.step is not Step.RUN
            or view.driver.pod_ip is None
        ):
            state = self.state
            raise BackendFailedError(state.reason, state.message)
        try:
            report = await self._tokens.use(partial(self._ask, view.driver.pod_ip), now=now)
        except DriverError as error:
            self._unreachable = str(error)
            raise BackendFailedError("DriverUnreachable", str(error)) from error
        self._unreachable = None
        before, self._report = self._report, report
        self._seen = max((batch.seq for batch in report.batches), default=self._seen)
        self._known = _reported(self._known, report)
        if report.state is not DriverRunState.RUNNING:
            state = self.state
            raise BackendFailedError(state.reason, state.message)
        await self._pass_on_notices(report, view, view.driver.pod_ip, now=now)
        await self._quota.refresh(now)
        return Observed(self._measured(before, report, view, desired, now=now))

    async def apply(self, desired: Desired, *, now: float) -> None:
        """Push it, unless the driver knows it. A driver that cannot be reached reads it from the job's status."""
        report, view = self._report, self._view
        if report is None or view is None or view.driver.pod_ip is None:
            raise BackendFailedError("NotStarted", "the driver does not run")
        if report.desired is not None and report.desired.generation >= desired.generation:
            return
        try:
            await self._tokens.use(partial(self._tell, view.driver.pod_ip, _request(desired)), now=now)
        except DriverError as error:
            LOGGER.warning("%s: allocation %d was not pushed: %s", self._ref, desired.generation, error)

    async def stop(self, *, now: float) -> None:  # noqa: ARG002 - the protocol's
        """Executors first: the driver stops its queries at a batch's end, then Spark its executors, then it ends.

        Raises BackendFailedError while something is left.
        """
        self._tiers.cancel()
        loop = asyncio.get_running_loop()
        until = loop.time() + STOP_S
        while pods := await self._call(self._objects.list_pods(self._ref.namespace, naming.selector(self._ref.name))):
            drivers = [p for p in pods if p["metadata"]["name"] == self._base]
            for pod in drivers or pods:
                if "deletionTimestamp" not in pod["metadata"]:
                    grace = None if drivers else LEFTOVER_GRACE_S
                    path = self._pod_path(pod["metadata"]["name"])
                    await self._call(self._objects.delete(path, uid=pod["metadata"]["uid"], grace_s=grace))
            if loop.time() > until:
                left = ", ".join(p["metadata"]["name"] for p in pods)
                raise BackendFailedError("Stopping", f"pods are still there: {left}")
            await asyncio.sleep(STOP_POLL_S)
        for path in reversed(self._object_paths()):
            await self._call(self._objects.delete(path))
        self._plan = self._report = self._seen = self._view = None
        self._tokens.forget()
        self._closed = not self._peers
        self._known = DriverStatus(pod=self._base)

    async def _look(self) -> PodView:
        pods = await self._call(self._objects.list_pods(self._ref.namespace, naming.selector(self._ref.name)))
        self._view = view = diagnose(pods)
        owner = view.driver.owner_uid
        if view.driver.state is not DriverState.ABSENT and owner != self._ref.uid:
            if owner is None:
                message = f"pod {self._base} exists and belongs to nobody; delete it, or give the job another name"
                raise BackendRefusedError("NameTaken", message)
            raise BackendFailedError("NameTaken", f"pod {self._base} of an earlier job of this name is still there")
        return view

    def _decide(self, view: PodView, now: float) -> Plan:
        return plan(
            view.driver,
            known=self._known,
            wanted_hash=self._hash,
            changed=changed_fields(view.driver.restart_fields, self._spec) if view.driver.restart_fields else [],
            policy=self._spec.restart_policy,
            now=now,
        )

    async def _create(self, desired: Desired, decided: Plan, now: float) -> Plan:
        """All objects, the pod last. One that is there is brought up to date; a pod that is there is adopted."""
        objects = build_objects(
            DriverRequest(
                namespace=self._ref.namespace,
                name=self._ref.name,
                uid=self._ref.uid,
                spec=self._spec,
                allocation=_request(desired),
                runtime_image=self._runtime_image,
                runtime_pull_policy=self._runtime_image_pull_policy,
                token=new_token(),
                issued=now,
                capabilities=self._capabilities,
            )
        )
        await self._confine(objects)
        await self._close()
        self._tokens.forget()
        created: Json = {}
        for collection, manifest in objects.in_order():
            if manifest is objects.pod:
                try:
                    created = await self._call(self._objects.create(collection, manifest))
                except ApiConflictError:
                    return decided
            else:
                path = f"{collection}/{manifest['metadata']['name']}"
                await self._call(self._objects.apply(path, manifest, manager=MANAGER))
        uid = created["metadata"]["uid"]
        return replace(decided, driver=decided.driver.model_copy(update={"pod_uid": uid}))

    async def _confine(self, objects: DriverObjects) -> None:
        """Raises BackendRefusedError for pods that the namespace, or the operator's settings, do not let a job have."""
        namespace = self._ref.namespace
        found = await self._call(self._objects.read(f"/api/v1/namespaces/{namespace}"))
        level = self._confinement.level(found["metadata"].get("labels") or {})
        conf = required_application(self._spec).spark_conf
        if refused := refusals(self._confinement, level, objects, conf=conf):
            message = f"not allowed at pod security level {level} of namespace {namespace}: {'; '.join(refused)}"
            raise BackendRefusedError("PodNotAllowed", message)

    async def _pass_on_notices(self, report: DriverReport, view: PodView, pod_ip: str, *, now: float) -> None:
        """What the API server marks for its end, the driver replaces ahead; said again at each look while it is
        there."""
        application = report.application_id
        ending = [found.executor for found in view.executors.leaving if found.application == application]
        if application is None or not ending:
            return
        try:
            await self._tokens.use(partial(self._announce, pod_ip, application, ending), now=now)
        except DriverError as error:
            LOGGER.warning("%s: the driver was not told that executors have to end: %s", self._ref, error)

    async def _close(self) -> None:
        """The network policy, once: also of a job that runs already, as its peers may be another operator's."""
        if self._closed:
            return
        metadata = owned_metadata(namespace=self._ref.namespace, job=self._ref.name, uid=self._ref.uid)
        manifest = network_policy(metadata, job=self._ref.name, peers=self._peers)
        await self._call(self._objects.apply(self._network_policy_path(), manifest, manager=MANAGER))
        self._closed = True

    def _measured(
        self, before: DriverReport | None, report: DriverReport, view: PodView, desired: Desired, *, now: float
    ) -> Measurement:
        measured = measure(
            before,
            report,
            now=now,
            prices=Prices(),
            desired=desired.allocation,
            unschedulable=view.executors.unschedulable,
            quota_executors=self._quota.room(view.executors.pods, desired.allocation),
        )
        killed = view.executors.out_of_memory - self._out_of_memory
        self._out_of_memory = view.executors.out_of_memory
        return replace(measured, out_of_memory=max(measured.out_of_memory, len(killed)))

    async def _ask(self, ip: str, token: str) -> DriverReport:
        return await self._drivers.observation(ip, token, self._seen)

    async def _tell(self, ip: str, request: AllocationRequest, token: str) -> None:
        await self._drivers.allocate(ip, token, request)

    async def _announce(self, ip: str, application: str, executors: Sequence[str], token: str) -> None:
        await self._drivers.notice(ip, token, application, executors)

    async def _call(self, call: Awaitable[T]) -> T:
        """A call whose refusal only the job's spec, a quota or a role can mend."""
        try:
            return await call
        except (ApiConflictError, ApiNotFoundError):
            raise
        except ApiRefusedError as error:
            raise BackendRefusedError("ObjectRefused", str(error)) from error

    def _pod_path(self, name: str) -> str:
        return f"/api/v1/namespaces/{self._ref.namespace}/pods/{name}"

    def _network_policy_path(self) -> str:
        return f"/apis/networking.k8s.io/v1/namespaces/{self._ref.namespace}/networkpolicies/{self._base}"

    def _object_paths(self) -> list[str]:
        """All objects but the pods, in the order in which they are made."""
        core = f"/api/v1/namespaces/{self._ref.namespace}"
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self._ref.namespace}"
        collections = (
            f"{core}/serviceaccounts",
            f"{rbac}/roles",
            f"{rbac}/rolebindings",
            f"{core}/secrets",
            f"{core}/configmaps",
            f"{core}/services",
        )
        policies = [self._network_policy_path()] if self._peers else []
        return [*policies, *(f"{collection}/{self._base}" for collection in collections)]


def _request(desired: Desired) -> AllocationRequest:
    return AllocationRequest.of(desired.allocation, generation=desired.generation)


def _applied(report: DriverReport | None) -> AppliedStatus | None:
    if report is None or report.applied is None:
        return None
    found = report.applied
    return applied_status(found.allocation, generation=found.generation, time=found.time, cost_s=found.cost_seconds)


def _reported(known: DriverStatus, report: DriverReport) -> DriverStatus:
    """What the driver says of itself; a figure that it has not measured yet stays what it was."""
    startup, cost = report.startup_seconds, report.restart_cost_seconds
    return known.model_copy(
        update={
            "application_id": report.application_id,
            "spark_version": report.spark_version,
            "failed_batches": report.totals.failed_batches,
            "startup": known.startup if startup is None else format_seconds(startup),
            "restart_cost": known.restart_cost if cost is None else format_seconds(cost),
        }
    )
