"""The operator process: what is shared, kopf in this process, and a clean end."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator

import kopf

from .audit import AuditLog
from .clock import running_clock
from .dashboard.inside import inside_page
from .dashboard.samples import Timelines
from .driver_client import DriverClient, open_driver_http
from .errors import ApiNotFoundError, ApiUnreachableError, StartupError
from .handlers import build_registry, kopf_settings
from .health import HealthServer
from .kube import KubeApi
from .leadership import Leadership, leadership
from .login import connection_info, open_http
from .logs import configure_logs
from .metrics import Metrics
from .policies_store import PolicyStore
from .policy_fetching import Store, fetching
from .services import Services
from .settings import Settings

LOGGER = logging.getLogger(__name__)
MIB = 1024 * 1024


def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT.

    Raises StartupError when the operator cannot start, NotLeadingError when it led and has lost its lease.
    """
    configure_logs(settings.log_format, settings.log_level)
    if settings.kubeconfig is not None:
        # kopf and the client library read it from there, and so do credential plugins.
        os.environ["KUBECONFIG"] = str(settings.kubeconfig)
    connection_info()
    asyncio.run(_operate(settings))


async def _operate(settings: Settings) -> None:
    metrics = Metrics()
    started, standing_by = asyncio.Event(), asyncio.Event()
    up = (started, standing_by)
    health = HealthServer(
        metrics, ready=lambda: None if any(e.is_set() for e in up) else "waiting for the API server or for policies"
    )
    await health.start(settings.health_host, settings.health_port)
    try:
        async with KubeApi(timeout_s=settings.leader_deadline_seconds / 2, trace=metrics.api.trace) as lease_api:
            await _wait_for_api(lease_api, settings)
            # Before the lease, as nobody renews it yet when it has just been taken.
            async with _policies(settings, metrics) as policies:
                metrics.policies_failed.set_function(lambda: len(policies.problems))
                standing_by.set()
                async with (
                    inside_page(settings, standby=standing_by.is_set) as timelines,
                    leadership(settings, lease_api, metrics) as election,
                ):
                    standing_by.clear()
                    if election.leading:
                        await _act(settings, metrics, policies, started=started, election=election, timelines=timelines)
    finally:
        await health.stop()
        LOGGER.info("the operator has stopped; jobs keep their allocation")


async def _act(
    settings: Settings,
    metrics: Metrics,
    policies: PolicyStore,
    *,
    started: asyncio.Event,
    election: Leadership,
    timelines: Timelines | None,
) -> None:
    """Run the jobs until a signal comes. Raises NotLeadingError when the lease is lost."""
    audit = _open_audit(settings)
    try:
        async with (
            KubeApi(timeout_s=settings.api_timeout_seconds, fence=election.fence, trace=metrics.api.trace) as api,
            open_driver_http(settings.driver_timeout_seconds, fence=election.fence) as http,
        ):
            services = Services(
                settings=settings,
                api=api,
                policies=policies,
                metrics=metrics,
                audit=audit,
                clock=time.time,
                running=running_clock,
                drivers=DriverClient(http),
                pod_resize=await api.resizes_pods(),
                fence=election.fence,
                timelines=timelines,
            )
            reloading = asyncio.create_task(_reload(policies, settings.policy_reload_seconds))
            stop = asyncio.Event()
            try:
                await election.during(_serve(services, started, stop), stop)
            finally:
                reloading.cancel()
    finally:
        if audit is not None:
            audit.close()


async def _serve(services: Services, started: asyncio.Event, stop: asyncio.Event) -> None:
    settings = services.settings
    registry = build_registry(services)
    watches = max(len(settings.namespaces), 1)

    @kopf.on.login(id="login", registry=registry)
    async def login(**_: object) -> kopf.AiohttpSession:
        info = await asyncio.to_thread(connection_info)
        return kopf.AiohttpSession(
            server=info.server,
            aiohttp_session=open_http(info, watches=watches, fence=services.fence, trace=services.metrics.api.trace),
        )

    await kopf.operator(
        registry=registry,
        settings=kopf_settings(settings),
        clusterwide=settings.all_namespaces,
        namespaces=settings.namespaces,
        ready_flag=started,
        stop_flag=stop,
    )


async def _wait_for_api(api: KubeApi, settings: Settings) -> None:
    """Until the API server answers. Raises StartupError when it does not know the resource."""
    while True:
        try:
            await api.check()
        except ApiUnreachableError as error:
            LOGGER.warning("waiting for the API server: %s", error)
            await asyncio.sleep(settings.error_backoff_seconds)
        except ApiNotFoundError as error:
            raise StartupError(f"the CRD is not installed ({error}); kubectl apply -f crds/") from error
        else:
            return


@contextlib.asynccontextmanager
async def _policies(settings: Settings, metrics: Metrics) -> AsyncIterator[PolicyStore]:
    """Those that are fetched come in the background, after a first attempt."""
    async with fetching(
        settings.policy_sources,
        settings.policy_digests,
        Store(settings.policy_s3_endpoint, settings.policy_s3_region),
        retry_s=settings.error_backoff_seconds,
        retry_max_s=settings.error_backoff_max_seconds,
    ) as fetched:
        yield PolicyStore(
            folder=settings.policies_dir,
            digests=settings.policy_digests,
            fetched=fetched,
            inference=lambda role: metrics.inference_seconds.labels(role).time,
        )


async def _reload(policies: PolicyStore, interval_s: float) -> None:
    while True:
        await asyncio.sleep(interval_s)
        try:
            policies.refresh()
        except Exception:  # a folder that cannot be looked at now may be readable next time
            LOGGER.exception("policies could not be looked at")


def _open_audit(settings: Settings) -> AuditLog | None:
    if settings.audit_dir is None:
        return None
    try:
        return AuditLog(
            settings.audit_dir, max_bytes=int(settings.audit_max_mebibytes * MIB), files=settings.audit_files
        )
    except OSError as error:
        raise StartupError(f"audit folder {settings.audit_dir} cannot be used: {error.strerror}") from error
