"""Parts of the way are killed: every QoS 1 message reaches the sink at least once, and each copy has the same id."""

import signal
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_brokers import PASSWORD, USER
from support_forwarding import KIND, MOSQUITTO, Broker, Device, Row, gateway, landed, running, until
from support_operator import Process


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with running(Broker(KIND, tmp_path)) as found:
        yield found


@pytest.fixture
def device(broker: Broker) -> Iterator[Device]:
    found = Device(broker)
    yield found
    found.stop()


def assert_all_came(rows: list[Row], payloads: list[str]) -> None:
    """Each payload, and all of its copies with one id that no other payload has."""
    ids = defaultdict(set)
    for row in rows:
        ids[row["payload"]].add(row["id"])
    assert set(payloads) == ids.keys()
    assert all(len(found) == 1 for found in ids.values())
    assert len(set.union(*ids.values())) == len(ids)


@pytest.mark.skipif(
    not MOSQUITTO, reason="no Mosquitto on the machine; what amqtt had under way at a kill, it may lose"
)
def test_a_gateway_that_is_killed_again_and_again(broker: Broker, device: Device, tmp_path: Path) -> None:
    root = tmp_path / "landing"
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    arguments = ("--broker", broker.url, "--group", "city=city/+/data", "--forward", "folder", "--source", "g1")
    arguments += ("--landing-folder", str(root), "--username", USER, "--password-file", str(password))
    arguments += ("--forward-seconds", "0.2")

    log = tmp_path / "gateway.log"

    def start(times: int) -> Process:
        process = Process("edge-gateway", *arguments, log=log)
        until(lambda: log.read_text().count("connected") == times, "the gateway does not connect")
        return process

    payloads: list[str] = []
    enough = threading.Event()

    def send() -> None:
        while not enough.wait(0.003):
            payloads.append(f"value {len(payloads)}")  # no id of its own
            device.send(payloads[-1])

    process = start(1)
    sending = threading.Thread(target=send)
    sending.start()
    try:
        for times in (2, 3):
            seen = len(landed(root))
            until(lambda seen=seen: len(landed(root)) > seen, "nothing arrives")
            process.end(signal.SIGKILL)
            process = start(times)
        enough.set()
        sending.join()
        device.settle()
        until(lambda: {row["payload"] for row in landed(root)} >= set(payloads), "messages were lost")
        assert process.end() == 0
    finally:
        enough.set()
        process.end(signal.SIGKILL)
    assert_all_came(landed(root), payloads)


def test_a_broker_that_is_killed(broker: Broker, device: Device, tmp_path: Path) -> None:
    root = tmp_path / "landing"
    with gateway(broker, forward="folder", landing_folder=root) as found:
        assert found.forwarder
        payloads = [f"{number}" for number in range(200)]
        for payload in payloads[:100]:
            device.send(payload)
        until(lambda: found.forwarder.intake.kept == 100, "messages do not come")
        broker.kill()
        until(lambda: found.problem, "the gateway did not notice")
        until(lambda: found.forwarder.delivery.delivered == 100, "what was kept waits for the broker")
        broker.start()
        # The broker forgot the gateway's session, and would drop what nobody subscribed to.
        until(lambda: found.problem is None, "the gateway does not come back")
        for payload in payloads[100:]:
            device.send(payload)
        device.settle()
        until(lambda: found.forwarder.delivery.delivered == 200, "messages do not come after the restart")
        assert found.link.connections == 2
    assert_all_came(landed(root), payloads)


def test_a_landing_folder_that_goes_away_and_a_spill_folder_that_fills(
    broker: Broker, device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sparkiot_edge.forwarding.intake.RETRY_S", 0.2)
    root = tmp_path / "landing"
    root.write_text("in its place")  # the folder's volume is not mounted, say
    spill = {"spill_folder": tmp_path / "spill", "spill_mebibytes": 2, "forward": "folder", "landing_folder": root}
    payloads = [f"{number} " + "x" * 8000 for number in range(400)]  # 3.2 MB
    with gateway(broker, **spill) as found:
        assert found.forwarder
        for payload in payloads:
            device.send(payload)
        until(lambda: found.problem, "the bound was not met")
        assert "is the sink away?" in (found.problem or "")
        until(lambda: found.forwarder.delivery.problem, "the sink was not missed")
        assert found.forwarder.spool.size <= 2 << 20
        assert found.forwarder.intake.refused > 0
        assert not found.forwarder.intake.dropped
        root.unlink()
        device.settle()
        until(lambda: found.forwarder.delivery.delivered >= 400, "not all came")
        assert found.problem is None
    rows = landed(root)
    assert_all_came(rows, payloads)
    if len(rows) == len(payloads):
        assert [row["payload"] for row in rows] == payloads


def test_what_spilled_before_a_crash_goes_first(broker: Broker, device: Device, tmp_path: Path) -> None:
    root = tmp_path / "landing"
    root.write_text("in its place")
    spill = {"spill_folder": tmp_path / "spill", "forward": "folder", "landing_folder": root}
    with gateway(broker, **spill) as found:
        assert found.forwarder
        for number in range(50):
            device.send(f"{number}")
        until(lambda: found.forwarder.intake.kept == 50, "messages do not come")
    assert found.forwarder.spool.messages == 50
    root.unlink()
    with gateway(broker, **spill) as found:
        assert found.forwarder
        device.send("50")
        until(lambda: found.forwarder.delivery.delivered == 51, "what was spilled does not come")
    assert [row["payload"] for row in landed(root)] == [f"{number}" for number in range(51)]
