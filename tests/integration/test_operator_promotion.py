"""Shadow, promotion, demotion and canary of jobs on the embedded cluster, seen through the real kubectl."""

import json
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support_docs import ROOT, blocks, commands
from support_operator import Json, Kubectl, Rig, running_rig, wait_until
from support_policies import stubborn_artifact
from typer.testing import CliRunner

from sparkiot_operator.audit import read_audit
from sparkiot_operator.cli import app

FLAGS = ("--health-port", "0", "--status-interval-seconds", "0.3", "--error-backoff-seconds", "0.3",
         "--error-backoff-max-seconds", "1", "--policy-reload-seconds", "0.3")  # fmt: skip
PAGE = ROOT / "docs" / "how-to" / "promote-a-policy.md"
ACCELERATION = 300
"""A minute of job time in a fifth of a second."""


def page_job() -> Json:
    """The page's job, which is as its reader writes it."""
    (text,) = [block.text for block in blocks(PAGE) if block.text.startswith("# pumps.yaml")]
    return dict(yaml.safe_load(text))


def fast(name: str, *, policy: Json, mode: str = "Active") -> Json:
    """The page's job with another policy, faster than real."""
    job = page_job()
    spec = job["spec"]
    spec["simulation"]["acceleration"] = ACCELERATION
    return {
        **job,
        "metadata": {"name": name},
        "spec": {**spec, "policy": policy, "scaling": {**spec["scaling"], "mode": mode}},
    }


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("promotion")
    (folder / "policies").mkdir()
    flags = (*FLAGS, "--policies-dir", str(folder / "policies"), "--audit-dir", str(folder / "audit"))
    with running_rig(folder, *flags) as found:
        yield found


@pytest.fixture
def kubectl(rig: Rig) -> Iterator[Kubectl]:
    yield rig.kubectl
    rig.kubectl("delete", "sij", "--all", "--wait=true", "--timeout=110s")


def test_a_policy_earns_a_job_keeps_it_over_a_restart_and_loses_it_when_it_fails(rig: Rig, kubectl: Kubectl) -> None:
    folder = rig.folder / "policies" / "seven"
    digest = stubborn_artifact(folder, executors=7).manifest.digest
    promotion = {"automatic": True, "observation": "10m", "decisions": 30, "maxModelError": 0.3, "cooldown": "100h"}
    policy = {"name": "seven", "digest": digest, "fallback": "Fixed", "promotion": promotion}
    kubectl("apply", "-f", "-", stdin=[fast("earns", policy=policy, mode="Shadow")])
    shadow = wait_until(lambda: kubectl.status("earns").get("shadow", {}), what="a shadow", rig=rig)
    assert (shadow["policy"], shadow["digest"]) == ("seven", digest)
    wait_until(lambda: kubectl.status("earns").get("mode") == "Active", what="the promotion", rig=rig)
    status = kubectl.status("earns")
    assert kubectl.job("earns")["spec"]["scaling"]["mode"] == "Shadow", "the spec stays what its owner wrote"
    assert kubectl.condition("earns", "Promoted")["status"] == "True"
    shadow = status["shadow"]
    assert (shadow["stage"], shadow["promotions"], shadow["verdict"]) == ("Active", 1, "Better")
    assert float(shadow["costPerHour"]) < float(shadow["rule"]["costPerHour"])
    assert float(shadow["modelError"]["cost"]) < 0.3
    assert "Promoted" in kubectl.reasons("earns")
    header, row = (line.split() for line in kubectl("get", "sij", "earns", "-o", "wide").splitlines())
    assert {"IN-EFFECT", "WOULD-COST/H", "WOULD-ATTAIN", "CANARY"} <= set(header)
    assert {"Shadow", "Active", shadow["costPerHour"]} <= set(row)
    wait_until(lambda: kubectl.status("earns")["allocation"]["executors"] == 7, what="the policy acts", rig=rig)

    rig.operator.end(signal.SIGKILL)
    before = kubectl.status("earns")
    rig.start_operator()
    wait_until(
        lambda: kubectl.status("earns")["simulation"]["time"] > before["simulation"]["time"], what="adopted", rig=rig
    )
    after = kubectl.status("earns")
    assert (after["mode"], after["shadow"]["promotions"]) == ("Active", 1)
    assert kubectl.reasons("earns").count("Promoted") == 1

    (folder / "policy.onnx").write_bytes(b"damaged")
    wait_until(lambda: kubectl.status("earns")["mode"] == "Shadow", what="the demotion", rig=rig)
    demoted = kubectl.condition("earns", "Promoted")
    assert (demoted["status"], demoted["reason"]) == ("False", "Demoted")
    assert "policy.onnx" in demoted["message"]
    found = kubectl.status("earns")["shadow"]
    assert (found["stage"], found["demotions"], found["demotion"]["reason"]) == ("Shadow", 1, "PolicyFailed")
    assert "Demoted" in kubectl.reasons("earns")
    wait_until(lambda: kubectl.status("earns")["allocation"]["executors"] > 7, what="the rule acts", rig=rig)

    records = [r for r in read_audit([rig.folder / "audit"]) if r.ref.name == "earns"]
    shadowed = [r for r in records if r.shadow is not None]
    assert shadowed[0].decision.policy.name == "Fixed"
    assert shadowed[0].shadow is not None
    assert shadowed[0].shadow.policy.digest == digest
    assert any(r.shadow is None and r.decision.acted.name == "seven" for r in records), "it acted itself"


def test_a_canary_is_withdrawn_where_attainment_falls_and_from_those_who_state_the_same(
    rig: Rig, kubectl: Kubectl
) -> None:
    one = stubborn_artifact(rig.folder / "policies" / "one", executors=1)
    canary = {"name": "one", "digest": one.manifest.digest, "share": 1, "observation": "5m", "batches": 20}
    policy = {"name": "Fixed", "canary": canary}
    kubectl("apply", "-f", "-", stdin=[fast("tries", policy=policy)])
    wait_until(lambda: "CanaryStarted" in kubectl.reasons("tries"), what="the trial", rig=rig)
    wait_until(
        lambda: kubectl.status("tries").get("canary", {}).get("state") == "Withdrawn", what="the withdrawal", rig=rig
    )
    status = kubectl.status("tries")
    assert "attainment fell from" in status["canary"]["reason"]
    unhealthy = kubectl.condition("tries", "CanaryHealthy")
    assert (unhealthy["status"], unhealthy["reason"]) == ("False", "Withdrawn")
    assert "CanaryWithdrawn" in kubectl.reasons("tries")
    wait_until(lambda: kubectl.status("tries")["allocation"]["executors"] > 1, what="its own policy acts", rig=rig)

    kubectl("apply", "-f", "-", stdin=[fast("comes-late", policy=policy)])
    late = wait_until(
        lambda: (c := kubectl.status("comes-late").get("canary", {})).get("state") == "Withdrawn" and c,
        what="withdrawn from a job that never tried it",
        rig=rig,
    )
    assert late["reason"] == status["canary"]["reason"]

    edited = {**canary, "margin": 1}
    kubectl.patch("tries", {"policy": {"canary": edited}})
    wait_until(lambda: kubectl.status("tries")["canary"]["state"] == "Trial", what="an edit tries again", rig=rig)


def test_a_shadow_of_the_rule_itself_is_refused_and_so_is_a_canary_of_the_same(rig: Rig, kubectl: Kubectl) -> None:
    same = fast("same", policy={"name": "Rate", "fallback": "Rate"}, mode="Shadow")
    refused = kubectl.run("apply", "-f", "-", stdin=[same])
    assert refused.returncode != 0
    assert "they must differ" in refused.stderr
    refused = kubectl.run("apply", "-f", "-", stdin=[fast("same", policy={"name": "Rate", "canary": {"name": "Rate"}})])
    assert refused.returncode != 0
    assert "another policy or digest" in refused.stderr


def test_the_pages_commands(rig: Rig, kubectl: Kubectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Literally, with the page's job, which is played for a shorter time."""
    monkeypatch.chdir(tmp_path)
    Path("pumps.yaml").write_text(yaml.safe_dump(page_job()))
    marked = [block for block in blocks(PAGE) if block.mark and block.mark[0] == "run by"]
    for line in [line for block in marked for line in commands(block)]:
        program, *arguments = shlex.split(line)
        if program == "sparkiot":
            assert "--duration 2h" in line
            played = CliRunner().invoke(app, [*arguments[:-1], "1h", "--output", "json"])
            assert played.exit_code == 0, played.output
            (row,) = json.loads(played.stdout)
            assert (row["shadow"]["stage"], row["shadow"]["verdict"]) == ("Active", "Better")
            continue
        said = kubectl(*arguments)
        if "{.status.shadow}" in line or "Promoted" in line:
            wait_until(lambda command=arguments: kubectl(*command), what=line, rig=rig)
        elif "wide" in line:
            assert "IN-EFFECT" in said
    assert kubectl.job("pumps")["spec"]["scaling"]["mode"] == "Active"
