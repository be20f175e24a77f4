"""Simulated devices against a real broker: each message arrives, with its id, at the rate of the load."""

import json
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from support_brokers import PASSWORD, USER, mqtt_broker
from typer.testing import CliRunner

from sparkiot_edge.mqtt import Broker, BrokerError, MqttLink, Received
from sparkiot_operator.cli import app
from sparkiot_operator.fleet import sender
from sparkiot_operator.fleet.readings import Devices
from sparkiot_operator.fleet.sender import Fleet
from sparkiot_operator.fleet.settings import DevicesSettings
from sparkiot_sim.generators import Kind

PATIENCE_S = 60.0


def fleet(settings: DevicesSettings, *, first_id: int = 0) -> Fleet:
    devices = Devices(settings.kind, count=settings.count, seed=settings.seed)
    load = settings.load(start=time.time())
    return Fleet(settings.open_broker(), devices, load, first_id=first_id, repeat=settings.repeat)


def command(*flags: str) -> "subprocess.CompletedProcess[str]":
    arguments = [sys.executable, "-m", "sparkiot_operator", "devices", *flags]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_each_message_arrives_and_some_twice(tmp_path: Path) -> None:
    heard: list[Received] = []
    with mqtt_broker(tmp_path, users=True) as broker:
        link = MqttLink(
            Broker(url=broker.url, username=USER, password=PASSWORD),
            client_id="",
            persistent=False,
            topics=["ward/#"],
            on_message=heard.append,
        )
        link.start()
        assert link.wait(PATIENCE_S)
        (tmp_path / "password").write_text(f"{PASSWORD}\n")
        done = command(
            *("--broker", broker.url, "--username", USER, "--password-file", str(tmp_path / "password")),
            *("--kind", "Healthcare", "--rate", "50", "--seconds", "2", "--burst", "1:3:1", "--repeat", "0.1"),
            *("--first-id", "7000", "--count", "20"),
        )
        assert done.returncode == 0, done.stderr
        said = re.search(r"(\d+) messages in .*; (\d+) of them twice", done.stdout)
        assert said is not None, done.stdout
        messages, twice = map(int, said.groups())
        end = time.monotonic() + PATIENCE_S
        while len(heard) < messages + twice:
            assert time.monotonic() < end, f"{len(heard)} of {messages + twice}"
            time.sleep(0.02)
        link.stop()
    ids = Counter(json.loads(message.payload)["id"] for message in heard)
    # About 50 in the first second and 150 in the second: the load of two seconds is not exactly even.
    assert sorted(ids) == list(range(7000, 7000 + messages))
    assert 170 <= messages <= 230
    assert sum(times == 2 for times in ids.values()) == twice == messages // 10
    assert {message.topic for message in heard} <= {f"ward/device-{i}/vitals" for i in range(20)}
    assert "burst × 3 begins" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr


def test_a_broker_that_is_killed_meanwhile_gets_all_of_it_when_it_is_back(tmp_path: Path) -> None:
    settings = DevicesSettings(kind=Kind.INDUSTRIAL, rate=200, seconds=3)
    with mqtt_broker(tmp_path) as broker:
        found = fleet(settings.model_copy(update={"broker": broker.url}))
        stop = threading.Event()
        thread = threading.Thread(target=found.run, args=(60.0,), kwargs={"stop": stop})
        thread.start()
        end = time.monotonic() + PATIENCE_S
        while found.sent.messages < 50:
            assert time.monotonic() < end, found.sent
            time.sleep(0.02)
        broker.kill()
        while found.sent.problem is None or found.sent.waiting < 50:
            assert time.monotonic() < end, found.sent
            time.sleep(0.02)
        broker.start()
        while found.sent.problem is not None:
            assert time.monotonic() < end, found.sent
            time.sleep(0.02)
        stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert found.sent.waiting == 0
    assert found.ids == range(found.sent.messages)


def test_what_waits_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "MOST_WAITING", 30)
    monkeypatch.setattr(sender, "DRAIN_S", 0.1)
    with mqtt_broker(tmp_path) as broker:
        found = fleet(DevicesSettings(broker=broker.url, rate=100, seconds=3))
        found._link.client.publish = lambda *_, **__: None  # type: ignore[method-assign,assignment]  # never arrives
        sent = found.run(1.0, stop=threading.Event())
    assert (sent.messages, sent.waiting) == (30, 30)
    assert sent.due > 30


def test_no_broker_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "CONNECT_S", 0.3)
    with pytest.raises(BrokerError, match=r"no connection within 0.3 s: mqtt://127.0.0.1:9 cannot be reached"):
        fleet(DevicesSettings(broker="mqtt://127.0.0.1:9")).run(1.0, stop=threading.Event())


def test_wrong_usage_is_said_by_flag(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["devices", "--burst", "often"])
    assert (done.exit_code, "AT:FACTOR" in done.output) == (2, True)
    done = CliRunner().invoke(app, ["devices", "--trace", str(tmp_path / "none.csv")])
    assert (done.exit_code, "cannot be read" in done.output) == (1, True)
    assert CliRunner().invoke(app, ["devices", "--password", "hunter2"]).exit_code == 2
