"""The node agent: scheduler, kubelet and log source of the embedded cluster's one node."""

import asyncio
import contextlib
import logging
import platform
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from sparkiot_sim.devcluster import ClusterStartError, DevCluster
from sparkiot_sim.devcluster.admission import WriteOptions
from sparkiot_sim.devcluster.discovery import VERSION
from sparkiot_sim.devcluster.errors import ApiError, Obj, bad_request
from sparkiot_sim.devcluster.podlogs import LogOptions
from sparkiot_sim.devcluster.pods import FINAL_PHASES, PODS
from sparkiot_sim.devcluster.store import Key, Record
from sparkiot_sim.nodeagent import logs
from sparkiot_sim.nodeagent.config import Address
from sparkiot_sim.nodeagent.container import log_path
from sparkiot_sim.nodeagent.events import EventRecorder
from sparkiot_sim.nodeagent.images import OWN_IMAGE, LocalImage, images_by_name
from sparkiot_sim.nodeagent.memory import MemoryGuard
from sparkiot_sim.nodeagent.network import Network, NoRangeError
from sparkiot_sim.nodeagent.pod import Host, PodWorker
from sparkiot_sim.nodeagent.scheduling import NodeSize, obstacle
from sparkiot_sim.nodeagent.status import merge_conditions

log = logging.getLogger(__name__)

NODE_NAME = "sparkiot-dev"
HOST_IP = "127.0.0.1"
SHUTDOWN_GRACE_SECONDS = 5.0
_LOST = "The embedded cluster was stopped while this pod ran; its processes ended with it."
_OPTIONS = WriteOptions(field_manager="kubelet")


class NodeAgent:
    """Runs the pods of one embedded cluster on this machine."""

    def __init__(
        self, cluster: DevCluster, images: Iterable[LocalImage], folder: Path, size: NodeSize, network: Network
    ) -> None:
        self._api = cluster.api
        self._folder = folder
        self._size = size
        self._pods = cluster.api.registry.find("", "v1", "pods")
        self._labels = {"kubernetes.io/hostname": NODE_NAME, "kubernetes.io/os": "linux"}
        own = LocalImage(OWN_IMAGE, Path(sys.executable))
        self._host = Host(
            cluster=cluster,
            images=images_by_name([own, *images]),
            events=EventRecorder(cluster.api, NODE_NAME),
            guard=MemoryGuard(),
        )
        self._workers: dict[str, tuple[PodWorker, asyncio.Task[None]]] = {}
        self._network = network

    @property
    def name(self) -> str:
        return NODE_NAME

    @staticmethod
    @contextlib.asynccontextmanager
    async def start(
        cluster: DevCluster,
        *,
        images: Iterable[LocalImage] = (),
        data: Path | None = None,
        size: NodeSize | None = None,
    ) -> AsyncIterator["NodeAgent"]:
        """Runs pods until the block ends; then every process that it started has ended.

        data: folder for volumes and logs, a temporary one when absent. Raises ClusterStartError on another system than
        Linux, and where too many agents run already.
        """
        if sys.platform != "linux":
            raise ClusterStartError("the node agent runs on Linux only: start the cluster without it (--no-node)")
        try:
            network = Network()
        except NoRangeError as error:
            raise ClusterStartError(str(error)) from error
        folder = data or Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="sparkiot-node-"))
        agent = NodeAgent(cluster, images, folder.absolute(), size or NodeSize(), network)
        agent._register()
        cluster.api.node = agent
        tasks = [asyncio.create_task(agent._watch()), asyncio.create_task(agent._host.guard.run())]
        try:
            yield agent
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await agent._stop_all()
            cluster.api.node = None
            network.close()
            if data is None:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    # What the API server asks

    async def log(self, pod: Obj, options: LogOptions) -> AsyncIterator[bytes]:
        """See LogSource. Raises ApiError 400 when the log is gone, as that of a pod of another life is."""
        uid, name = pod["metadata"]["uid"], options.container
        statuses = [*(pod["status"].get("initContainerStatuses") or ()), *pod["status"]["containerStatuses"]]
        restarts = next(item["restartCount"] for item in statuses if item["name"] == name)
        waiting = next(bool(item["state"].get("waiting")) for item in statuses if item["name"] == name)
        path = log_path(self._folder / "pods" / uid, name, restarts - (options.previous or waiting))

        def running() -> bool:
            return uid in self._workers and self._workers[uid][0].running(name)

        if not path.exists():
            raise bad_request(f'the log of container "{name}" in pod "{pod["metadata"]["name"]}" is gone')
        async for chunk in logs.read(path, options, self._api.time(), running):
            yield chunk

    # Pods

    async def _watch(self) -> None:
        self._resume()
        seen: int | None = None
        while True:
            revision = self._api.store.revision
            try:
                changes = self._api.store.changes(seen, PODS) if seen is not None else None
            except ApiError:  # more happened than the history holds
                changes = None
            seen = revision
            if changes is None:
                await self._sync(self._api.store.records(PODS))
            else:
                for change in changes:
                    if change.removed:
                        self._forget(change.record.uid)
                await self._sync([change.record for change in changes if not change.removed])
                if any(change.removed or _final(change.record.load()) for change in changes):
                    await self._sync(self._api.store.records(PODS))
            if self._api.store.revision == revision:
                await self._api.store.wait()

    async def _sync(self, records: Iterable[Record]) -> None:
        for record in records:
            current = self._api.store.get(PODS, record.key)
            if current is not None and current.uid == record.uid:
                try:
                    self._sync_one(current.load())
                except Exception:  # one odd pod must not stop the others
                    log.exception("pod %s/%s cannot be handled", *record.key)

    def _sync_one(self, pod: Obj) -> None:
        meta = pod["metadata"]
        known = self._workers.get(meta["uid"])
        if known:
            if "deletionTimestamp" in meta:
                known[0].stop(meta["deletionGracePeriodSeconds"])
        elif pod["spec"].get("nodeName", NODE_NAME) == NODE_NAME and not _final(pod):
            if "deletionTimestamp" in meta:
                self._remove((meta["namespace"], meta["name"]), meta["uid"])
            elif self._placed(pod):
                worker = PodWorker(self._host, pod, self._pod_folder(meta["uid"]), self._free_address())
                task = asyncio.create_task(self._run(worker), name=f"pod {worker.key}")
                self._workers[meta["uid"]] = worker, task

    def _pod_folder(self, uid: str) -> Path:
        return self._folder / "pods" / uid

    def _placed(self, pod: Obj) -> bool:
        """Assigns the pod to this node, or says in its status why it cannot be."""
        if pod["spec"].get("nodeName"):
            return True
        key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        others = [worker.pod for worker, _ in self._workers.values()]
        why = obstacle(pod, others, self._size, self._labels)
        if not why:
            pod["spec"]["nodeName"] = NODE_NAME
            self._api.update(self._pods, key, "", pod, WriteOptions(field_manager="kube-scheduler"))
            text = f"Successfully assigned {key[0]}/{key[1]} to {NODE_NAME}"
            self._host.events.record(pod, "Normal", "Scheduled", text)
            return True
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why}
        before = (pod.get("status") or {}).get("conditions") or []
        conditions = merge_conditions(before, [condition], self._api.now())
        if conditions != before:
            pod["status"] = {**(pod.get("status") or {}), "phase": "Pending", "conditions": conditions}
            self._api.update(self._pods, key, "status", pod, WriteOptions(field_manager="kube-scheduler"))
            self._host.events.record(pod, "Warning", "FailedScheduling", why)
        return False

    async def _run(self, worker: PodWorker) -> None:
        await worker.run()
        del self._workers[worker.uid]
        record = self._api.store.get(PODS, worker.key)
        if record is None or record.uid != worker.uid:
            self._forget(worker.uid)
        elif record.deleting:
            self._remove(worker.key, worker.uid)

    def _remove(self, key: Key, uid: str) -> None:
        """Takes the object of a deleted pod away, now that none of its processes is left."""
        with contextlib.suppress(ApiError):
            self._api.delete(self._pods, key, {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}})

    def _forget(self, uid: str) -> None:
        """The object is gone, so are its processes and its folder soon."""
        if uid in self._workers:
            self._workers[uid][0].stop(0)
        else:
            folder = self._pod_folder(uid)
            asyncio.get_running_loop().run_in_executor(None, lambda: shutil.rmtree(folder, ignore_errors=True))

    def _free_address(self) -> Address:
        used = {worker.address.pod_ip for worker, _ in self._workers.values()}
        return Address(pod_ip=self._network.free_address(used), host_ip=HOST_IP)

    # Start and stop

    def _register(self) -> None:
        """The Node object, Ready."""
        nodes = self._api.registry.find("", "v1", "nodes")
        key: Key = ("", NODE_NAME)
        with contextlib.suppress(ApiError):
            self._api.create(nodes, "", {"metadata": {"name": NODE_NAME, "labels": self._labels}}, _OPTIONS)
        node = self._api.get(nodes, key)
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "the node agent runs pods as processes",
        }
        before = (node.get("status") or {}).get("conditions") or []
        node["status"] = {
            "capacity": self._size.allocatable,
            "allocatable": self._size.allocatable,
            "addresses": [{"type": "InternalIP", "address": HOST_IP}, {"type": "Hostname", "address": NODE_NAME}],
            "conditions": merge_conditions(before, [ready], self._api.now()),
            "nodeInfo": {
                "kubeletVersion": VERSION["gitVersion"],
                "operatingSystem": "linux",
                "architecture": platform.machine(),
                "kernelVersion": platform.release(),
                "containerRuntimeVersion": "process://1",
                "osImage": "this machine",
            },
        }
        self._api.update(nodes, key, "status", node, _OPTIONS)

    def _resume(self) -> None:
        """Pods of an earlier agent: no process outlives its agent, so those that ran have failed."""
        for record in self._api.store.records(PODS):
            pod = record.load()
            status = pod.get("status") or {}
            ran = any("waiting" not in item["state"] for item in status.get("containerStatuses") or ())
            if _final(pod) or pod["spec"].get("nodeName") != NODE_NAME or not ran:
                continue
            if pod["spec"]["restartPolicy"] == "Never":
                status |= {"phase": "Failed", "reason": "NodeLost", "message": _LOST}
                for item in status["containerStatuses"]:
                    if "running" in item["state"]:
                        ended = {"exitCode": 137, "reason": "ContainerStatusUnknown", "message": _LOST}
                        item |= {"state": {"terminated": ended}, "ready": False, "started": False}
                self._api.update(self._pods, record.key, "status", {**pod, "status": status}, _OPTIONS)
        kept = {record.uid for record in self._api.store.records(PODS)}
        folder = self._folder / "pods"
        for leftover in folder.iterdir() if folder.exists() else ():
            if leftover.name not in kept:
                shutil.rmtree(leftover, ignore_errors=True)

    async def _stop_all(self) -> None:
        running = list(self._workers.values())
        for worker, _ in running:
            worker.stop(SHUTDOWN_GRACE_SECONDS)
        await asyncio.gather(*(task for _, task in running), return_exceptions=True)


def _final(pod: Obj) -> bool:
    return (pod.get("status") or {}).get("phase") in FINAL_PHASES
