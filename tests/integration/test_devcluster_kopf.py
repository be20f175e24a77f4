"""A small kopf operator, as a process, against the embedded cluster: handlers, daemon, finalizer, events, restart."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from support_apiserver import GROUP, Obj, Server, connect, gauge

from sparkiot_sim.devcluster import DevCluster

OPERATOR = f'''
import kopf

@kopf.on.create("{GROUP}", "v1", "gauges")
@kopf.on.update("{GROUP}", "v1", "gauges", field="spec")
async def reconciled(spec, patch, body, **_):
    patch.status["phase"] = spec["mode"]
    patch.status["replicas"] = spec.get("replicas", 0)
    kopf.info(body, reason="Reconciled", message=f"replicas {{spec.get('replicas', 0)}}")

@kopf.daemon("{GROUP}", "v1", "gauges")
async def running(name, stopped, **_):
    print(f"watching {{name}}", flush=True)
    await stopped.wait()
    print(f"left {{name}}", flush=True)

@kopf.on.delete("{GROUP}", "v1", "gauges")
async def gone(name, namespace, memo, **_):
    print(f"cleaned {{name}}", flush=True)
'''


class Operator:
    """`kopf run` as a process."""

    def __init__(self, folder: Path, namespace: str) -> None:
        script = folder / "gauge_operator.py"
        script.write_text(OPERATOR)
        command = [sys.executable, "-m", "kopf", "run", str(script), "--standalone", "-n", namespace]
        env = {**os.environ, "KUBECONFIG": str(folder / "kubeconfig")}
        self._process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def stop(self, number: int = signal.SIGTERM) -> str:
        """Ends it, gives what it printed."""
        self._process.send_signal(number)
        return self._process.communicate(timeout=120)[0]


async def until(what: Callable[[], Awaitable[Any]], seconds: float = 120) -> Any:
    """Waits for a truthy result; the last one is what the failure shows."""
    result = None
    try:
        async with asyncio.timeout(seconds):
            while not (result := await what()):  # noqa: ASYNC110 the condition is on a server
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"still {result!r} after {seconds} s")
    return result


async def test_a_kopf_operator_lives_on_it(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    async with DevCluster.start(kubeconfig=kubeconfig), connect(kubeconfig) as server:
        first = Operator(tmp_path, server.namespace)
        path = f"{server.path}/a"
        (await server.create(server.path, gauge("a", replicas=2))).ok()

        async def status() -> Obj:
            return dict((await server.get(path)).ok().get("status") or {})

        async def reached(**wanted: Any) -> bool:
            return wanted.items() <= (await status()).items()

        await until(lambda: reached(phase="Active", replicas=2))
        obj = (await server.get(path)).ok()
        assert "kopf.zalando.org/KopfFinalizerMarker" in obj["metadata"]["finalizers"]
        assert await until(lambda: reconcile_events(server, "replicas 2"))

        (await server.patch(path, {"spec": {"replicas": 3}})).ok()
        await until(lambda: reached(replicas=3))
        first.stop(signal.SIGKILL)
        (await server.patch(path, {"spec": {"replicas": 4}})).ok()  # while nobody watches
        second = Operator(tmp_path, server.namespace)
        await until(lambda: reached(replicas=4))
        (await server.delete(path)).ok()
        await server.until_gone(path)
        printed = await asyncio.to_thread(second.stop)
        assert [line for line in printed.splitlines() if line.endswith(" a")] == ["watching a", "left a", "cleaned a"]
        assert "Traceback" not in printed


async def reconcile_events(server: Server, message: str) -> list[Obj]:
    path = f"/api/v1/namespaces/{server.namespace}/events"
    events = (await server.get(path, fieldSelector="reason=Reconciled")).ok()["items"]
    return [event for event in events if event["message"] == message]
