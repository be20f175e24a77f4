"""One pod on the node, from its assignment to its end: images, volumes, init containers, containers, status."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sparkiot_sim.devcluster import DevCluster
from sparkiot_sim.devcluster.admission import WriteOptions
from sparkiot_sim.devcluster.errors import ApiError, Obj
from sparkiot_sim.nodeagent.config import Address, ConfigError, PodConfig
from sparkiot_sim.nodeagent.container import Container, PodContext
from sparkiot_sim.nodeagent.events import EventRecorder
from sparkiot_sim.nodeagent.images import ImageError, LocalImage, Runtime, runtime_of
from sparkiot_sim.nodeagent.memory import MemoryGuard
from sparkiot_sim.nodeagent.status import ContainerState, PodState, pod_status

log = logging.getLogger(__name__)

_VOLUME_RETRY_SECONDS = 1.0
_RENEW_SECONDS = 5.0  # a kubelet takes a minute or two
_PULL_RETRY_SECONDS = 10.0


class _StoppedError(Exception):
    """The pod is to end before its containers could start."""


@dataclass(frozen=True, kw_only=True)
class Host:
    """What a node gives to each of its pods."""

    cluster: DevCluster
    images: Mapping[str, LocalImage]
    events: EventRecorder
    guard: MemoryGuard


class PodWorker:
    """Runs one pod, with `folder` for its volumes and logs."""

    def __init__(self, host: Host, pod: Obj, folder: Path, address: Address) -> None:
        self.pod = pod
        self.folder = folder
        self.address = address
        self.key: tuple[str, str] = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        self.uid: str = pod["metadata"]["uid"]
        self._host = host
        self._api = host.cluster.api
        self._pods = self._api.registry.find("", "v1", "pods")
        self._stopping = asyncio.Event()
        self._kill_at: asyncio.TimerHandle | None = None
        self._containers: list[Container] = []
        spec = pod["spec"]
        self.state = PodState(
            address,
            self._api.now(),
            [ContainerState(item["name"], item["image"]) for item in spec.get("initContainers") or ()],
            [ContainerState(item["name"], item["image"]) for item in spec["containers"]],
        )

    async def run(self) -> None:
        """Until the pod has ended; the last status is written then, whatever went wrong on the way."""
        try:
            await self._run()
        except _StoppedError:
            log.debug("pod %s/%s stopped before its start", *self.key)
        except Exception as error:
            log.exception("pod %s/%s", *self.key)
            self.state.reason, self.state.message = "NodeAgentError", f"{type(error).__name__}: {error}"
        finally:
            if self._kill_at:
                self._kill_at.cancel()
            self._kill()  # whatever an error on the way has left running
        self.state.ended = True
        self._report()

    def stop(self, grace: float) -> None:
        """Ends the containers: as the manifest says for `grace` seconds, by force after them."""
        self._stopping.set()
        loop = asyncio.get_running_loop()
        if self._kill_at is None or loop.time() + grace < self._kill_at.when():
            if self._kill_at:
                self._kill_at.cancel()
            self._kill_at = loop.call_later(grace, self._kill)

    def running(self, container: str) -> bool:
        """Whether this container will still write to its log."""
        return any(item.name == container and item.running for item in (*self.state.inits, *self.state.containers))

    def _kill(self) -> None:
        for container in self._containers:
            container.kill()

    async def _run(self) -> None:
        spec = self.pod["spec"]
        self._report()
        for item in (*self.state.inits, *self.state.containers):
            item.reason = "PodInitializing" if self.state.inits else "ContainerCreating"
        runtimes = {item.name: await self._pull(item) for item in (*self.state.inits, *self.state.containers)}
        config = PodConfig(self._host.cluster, self.pod, self.folder, self.address)
        context = PodContext(
            pod=self.pod,
            folder=self.folder,
            config=config,
            volumes=await self._mount(config),
            guard=self._host.guard,
            stopping=self._stopping,
            report=self._report,
            event=self._event,
            now=self._api.now,
            pod_ip=self.address.pod_ip,
        )
        policy = spec["restartPolicy"]
        for item, state in zip(spec.get("initContainers") or (), self.state.inits, strict=True):
            init = self._container(item, state, runtimes, context)
            await init.run("OnFailure" if policy == "Always" else policy)
            if self._stopping.is_set():
                raise _StoppedError
            if state.terminated is None or state.terminated["exitCode"]:
                return
        renewal = asyncio.create_task(self._renew(config))
        try:
            async with asyncio.TaskGroup() as group:
                for item, state in zip(spec["containers"], self.state.containers, strict=True):
                    group.create_task(self._container(item, state, runtimes, context).run(policy))
        finally:
            renewal.cancel()

    def _container(
        self, spec: Obj, state: ContainerState, runtimes: Mapping[str, Runtime], context: PodContext
    ) -> Container:
        container = Container(spec, state, runtimes[state.name], context)
        self._containers.append(container)
        return container

    async def _pull(self, state: ContainerState) -> Runtime:
        """The environment behind the container's image; waits, as a kubelet does, for one that is not there."""
        while True:
            try:
                found = await asyncio.to_thread(runtime_of, self._host.images, state.image)
            except ImageError as error:
                self._event("Warning", "Failed", f'Failed to pull image "{state.image}": {error}', state.name)
                await self._wait_for_image(state, "ErrImagePull", str(error), 1.0)
                await self._wait_for_image(
                    state, "ImagePullBackOff", f'Back-off pulling image "{state.image}": {error}', _PULL_RETRY_SECONDS
                )
            else:
                text = f'Container image "{state.image}" already present on machine'
                self._event("Normal", "Pulled", text, state.name)
                return found

    async def _wait_for_image(self, state: ContainerState, reason: str, message: str, seconds: float) -> None:
        state.wait(reason, message)
        self._event("Warning", "Failed", f"Error: {reason}", state.name)
        self._report()
        await self._sleep(seconds)

    async def _mount(self, config: PodConfig) -> dict[str, Path]:
        while True:
            try:
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                return config.mount_all()
            except (ConfigError, OSError) as error:
                self._event("Warning", "FailedMount", f"MountVolume.SetUp failed: {error}", "")
            await self._sleep(_VOLUME_RETRY_SECONDS)

    async def _renew(self, config: PodConfig) -> None:
        """Secrets and ConfigMaps that change reach their files; what cannot be read keeps them as they are."""
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            with contextlib.suppress(ConfigError, OSError):
                config.renew()

    async def _sleep(self, seconds: float) -> None:
        """Raises _StoppedError when the pod is to end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
            raise _StoppedError

    def _event(self, kind: str, reason: str, message: str, container: str) -> None:
        self._host.events.record(self.pod, kind, reason, message, container=container)

    def _report(self) -> None:
        """Writes the status, unless the pod is gone or another one has its name."""
        with contextlib.suppress(ApiError):
            current = self._api.get(self._pods, self.key)
            if current["metadata"]["uid"] == self.uid:
                current["status"] = pod_status(self.state, current.get("status") or {}, self._api.now())
                self._api.update(self._pods, self.key, "status", current, WriteOptions(field_manager="kubelet"))
