"""Metrics, rules and dashboard before the real Prometheus: a demo run is scraped, and everything is asked of it."""

import contextlib
import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from prometheus_client import start_http_server
from support_cycles import cycle, live_cycle
from support_operator import Rig, free_port, running_rig, simulated_job, wait_until
from support_prometheus import DASHBOARD, ROOT, RULES, Json, Prometheus, promtool, scraping

from sparkiot_operator.events import JobRef
from sparkiot_operator.metrics import Metrics

RUNBOOK = ROOT / "docs" / "how-to" / "runbook.md"
ALERT_TESTS = sorted((ROOT / "tests" / "alerts").glob("*.yaml"))


def alerts() -> list[Json]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def test_promtool_finds_no_fault_with_names_and_types() -> None:
    metrics = Metrics()
    metrics.record(JobRef("iot", "care", "u1"), cycle(50), now=1.7e9)
    metrics.record(JobRef("iot", "live", "u2"), live_cycle(), now=1.7e9)
    done = promtool("check", "metrics", stdin=metrics.render().decode())
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    done = promtool("check", "metrics", stdin="# HELP requests Counted.\n# TYPE requests counter\nrequests 1\n")
    assert done.returncode != 0


def test_promtool_finds_no_fault_with_the_rules() -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_fires_when_it_should_and_only_then() -> None:
    done = promtool("test", "rules", *map(str, ALERT_TESTS))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_tests_of_alerts_leave_none_out() -> None:
    """Each alert fires in one sample at least, and is told apart from a case in which it does not."""
    said = "".join(path.read_text() for path in ALERT_TESTS)
    for alert in alerts():
        assert f'ALERTS{{alertname="{alert["alert"]}", alertstate="firing"' in said, alert["alert"]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("jobs", 'condition="Ready"}) == 0', 'condition="Ready"}) == 1'),
        ("jobs", "[1h])) > 2", "[1h])) > 4"),
        ("slo", "clamp_max(14.4 *", "clamp_max(1.4 *"),
        ("operator", 'code=~"401|403|429|5..|error"', 'code=~"...|error"'),
    ],
)
def test_an_alert_that_is_wrong_fails_its_test(tmp_path: Path, file: str, old: str, new: str) -> None:
    rules = RULES.read_text()
    assert old in rules
    (tmp_path / "rules.yaml").write_text(rules.replace(old, new))
    (told,) = [path for path in ALERT_TESTS if path.stem == file]
    (tmp_path / told.name).write_text(told.read_text().replace("../../charts/sparkiot/files/rules.yaml", "rules.yaml"))
    done = promtool("test", "rules", str(tmp_path / told.name))
    assert done.returncode != 0
    assert "FAILED" in done.stdout + done.stderr


def test_every_alert_says_what_it_means_and_has_its_section_in_the_runbook() -> None:
    sections = {f"#{title.strip().lower()}" for title in re.findall(r"^## (.*)$", RUNBOOK.read_text(), re.MULTILINE)}
    linked = set()
    for alert in alerts():
        annotations = alert["annotations"]
        assert set(annotations) == {"summary", "description", "runbook_url"}, alert["alert"]
        page, anchor = annotations["runbook_url"].split("#")
        assert (page, anchor) == ("docs/how-to/runbook.md", alert["alert"].lower())
        assert alert["labels"]["severity"] in ("critical", "warning")
        linked.add(f"#{anchor}")
    assert linked <= sections
    assert {section for section in sections if section.startswith("#sparkiot")} == linked


def jobs() -> list[Json]:
    """A learned policy with an edge and a budget, and a rule with too few executors."""
    edge = {"recall": 0.8, "falseAlarms": 0.2, "lead": "1m"}
    learned = {"policy": {"name": "default"}, "objectives": {"budgetPerHour": "6.00"}}
    return [
        simulated_job("care", spec=learned, simulation={"edge": edge}),
        simulated_job("city", spec={"scaling": {"interval": "10s", "executors": {"min": 1, "max": 2}}}),
    ]


def queries() -> list[tuple[str, str]]:
    """Panel and query of everything in the dashboard, for all jobs."""
    found = []
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            query = target["expr"].replace("$__rate_interval", "10s").replace("$namespace", ".*").replace("$name", ".*")
            assert "$" not in query, query
            found.append((panel["title"], query))
    return found


def test_every_query_of_the_dashboard_has_data_and_every_rule_is_evaluated(tmp_path: Path) -> None:
    """What only live jobs have comes from a second process's metrics: the demo has no live job."""
    live = Metrics()
    live.record(JobRef("iot", "live", "u9"), live_cycle(), now=1.7e9)
    port = free_port()
    server, thread = start_http_server(0, "127.0.0.1", registry=live.registry)
    try:
        with running_rig(tmp_path, "--health-port", str(port)) as rig:
            rig.kubectl("apply", "-f", "-", stdin=jobs())
            targets = {"sparkiot": f"127.0.0.1:{port}", "elsewhere": f"127.0.0.1:{server.server_port}"}
            with scraping(tmp_path, targets) as prometheus:
                check(prometheus, rig)
            check_runbook(rig)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def check(prometheus: Prometheus, rig: Rig) -> None:
    missing = queries()

    def all_answered() -> bool:
        """A query that has answered once is done with; the others are asked again."""
        missing[:] = [(title, query) for title, query in missing if not has_numbers(prometheus.value(query))]
        return not missing

    with contextlib.suppress(AssertionError):
        wait_until(all_answered, what="every query has data", rig=rig)
    assert missing == []
    wait_until(lambda: all(r["health"] == "ok" for r in prometheus_rules(prometheus)), what="every rule is evaluated")
    assert {rule["name"] for rule in prometheus_rules(prometheus) if rule["type"] == "alerting"} == {
        alert["alert"] for alert in alerts()
    }
    (found,) = prometheus.value('sparkiot_job_executors{name="city", state="desired"}')
    assert found["metric"]["namespace"] == "default", "a job's own namespace wins over the scraped pod's"
    (leader,) = prometheus.value('sparkiot_leader{namespace="sparkiot"}')
    assert leader["value"][1] == "1"
    assert [target["lastError"] for target in prometheus.get("targets")["activeTargets"]] == ["", ""]
    firing = {
        (alert["labels"]["alertname"], alert["labels"]["name"])
        for alert in prometheus.get("alerts")["alerts"]
        if alert["state"] == "firing"
    }
    assert firing == {("SparkIoTJobCyclesStopped", "live")}, "its one cycle was long ago; the demo gives no alarm"


def check_runbook(rig: Rig) -> None:
    """Its commands on a job, as they stand; what needs a pod or an installed chart is not run here."""
    blocks = re.findall(r"^```sh\n(.*?)^```", RUNBOOK.read_text(), re.DOTALL | re.MULTILINE)
    commands = [line.split("  #")[0] for block in blocks for line in block.splitlines() if "-n $NS" in line]
    here = [line for line in commands if line.startswith("kubectl") and not {"logs", "quota"} & set(line.split())]
    assert len(here) >= 8
    for line in here:
        words = shlex.split(line.replace("$NS", "default").replace("$JOB", "care"))
        rig.kubectl(*words[1:])


def prometheus_rules(prometheus: Prometheus) -> list[Json]:
    return [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]


def has_numbers(result: list[Json]) -> bool:
    """NaN is what a quantile is while nothing was counted: no data."""
    return any(series["value"][1] != "NaN" for series in result)
