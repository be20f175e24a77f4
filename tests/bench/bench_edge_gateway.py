"""What the edge gateway adds to the bare MQTT client, and what an outage of the sink does to its memory.

python tests/bench/bench_edge_gateway.py [--away SECONDS] [--rate MESSAGES/S] [--messages N]

Messages of 200 bytes with QoS 1 come from a stand-in for a broker, in a process of its own: it writes packets that were
made beforehand and lets 1000 be under way, so that it is never what bounds. Bare is paho's client as one would use it:
its own thread, a callback that counts, automatic acknowledgements. The gateway predicts, and forwards to a landing
folder: each message is synced to disk before it is acknowledged. Both in turns, medians. On a machine with other work
the time that passes says little; messages per second of processor time are what one core of one's own would do.

In the second part the landing folder is away for so many seconds and then comes back: printed are the memory of the
gateway's process meanwhile, and whether every message landed.
"""

import argparse
import collections
import cProfile
import os
import pstats
import select
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import orjson
import psutil
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from support_operator import Process

from sparkiot_edge.gateway import Gateway
from sparkiot_edge.settings import EdgeSettings

PAYLOAD_BYTES = 200
PACKETS = 65535
WINDOW = 1000
ROUNDS = 3
AIM = 20_000
PATIENCE_S = 600.0


def payload(packet: int) -> bytes:
    head = b'{"id":"m-%05d","device":"lamp-%04d","value":21.5,"note":"' % (packet, packet % 1000)
    return head + b"x" * (PAYLOAD_BYTES - len(head) - 2) + b'"}'


def stand_in(total: int, rate: float) -> None:
    """A broker for one client: prints its port, then sends so many messages. rate: a second; 0 as fast as it can."""
    data, ends = bytearray(), [0]
    for packet in range(1, PACKETS + 1):
        topic = b"city/%04d/data" % (packet % 1000)
        body = len(topic).to_bytes(2, "big") + topic + packet.to_bytes(2, "big") + payload(packet)
        data += b"\x32" + bytes([len(body) % 128 | 128, len(body) // 128]) + body
        ends.append(len(data))
    packets = memoryview(bytes(data))
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        client, _ = server.accept()
    client.recv(1000)
    client.sendall(b"\x20\x02\x00\x00")
    subscription = client.recv(1000)
    client.sendall(b"\x90\x03" + subscription[2:4] + b"\x01")
    client.setblocking(False)
    sent = acknowledged = 0
    waiting = packets[:0]
    heard = b""
    begun = time.perf_counter()
    while acknowledged < total:
        due = total if not rate else min(total, int((time.perf_counter() - begun) * rate))
        first = sent % PACKETS
        count = min(WINDOW - (sent - acknowledged), due - sent, PACKETS - first)
        if not waiting and count > 0:
            waiting = packets[ends[first] : ends[first + count]]
            sent += count
        readable, writable, _ = select.select([client], [client] if waiting else [], [], 0.01)
        if writable:
            waiting = waiting[client.send(waiting) :]
        if readable:
            heard += client.recv(1 << 16)
            count, answer, heard = understood(heard)
            acknowledged += count
            waiting = memoryview(bytes(waiting) + answer) if answer else waiting
    client.setblocking(True)
    client.recv(1000)


def understood(heard: bytes) -> tuple[int, bytes, bytes]:
    """Of what the client said: acknowledgements, an answer to its signals and pings, and the beginning of a packet."""
    count, answer, at = 0, b"", 0
    while len(heard) - at >= 4 or heard[at : at + 2] == b"\xc0\x00":
        kind, size, head = heard[at], heard[at + 1], 2
        if size > 127:
            size, head = size % 128 + 128 * heard[at + 2], 3
        if len(heard) - at < head + size:
            break
        if kind == 0x40:
            count += 1
        elif kind == 0xC0:
            answer += b"\xd0\x00"
        elif kind & 0xF6 == 0x32:
            topic = int.from_bytes(heard[at + head : at + head + 2], "big")
            answer += b"\x40\x02" + heard[at + head + 2 + topic : at + head + 4 + topic]
        at += head + size
    return count, answer, heard[at:]


def broker(total: int, rate: float = 0) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, __file__, "--stand-in", str(total), "--rate", str(rate)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    return process, int(process.stdout.readline())


def bare(total: int) -> tuple[float, float]:
    """Messages a second: of time, and of processor time."""
    process, port = broker(total)
    seen = 0
    done = threading.Event()

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == total:
            done.set()

    client = Client(CallbackAPIVersion.VERSION2, client_id="bare", clean_session=False)
    client.on_connect = lambda client, *_: client.subscribe("city/#", 1)
    client.on_message = count
    begun, spent = time.perf_counter(), time.process_time()
    client.connect("127.0.0.1", port)
    client.loop_start()
    assert done.wait(PATIENCE_S)
    found = total / (time.perf_counter() - begun), total / (time.process_time() - spent)
    client.disconnect()
    client.loop_stop()
    process.kill()
    process.wait()
    return found


def gateway(total: int, folder: Path, profile: cProfile.Profile | None = None) -> tuple[float, float]:
    process, port = broker(total)
    settings = EdgeSettings(
        broker=f"mqtt://127.0.0.1:{port}", groups=["city=city/+/data"], forward="folder", landing_folder=folder
    )
    found = Gateway(settings)
    assert found.forwarder
    if profile is not None:
        thread = found.link._network._thread
        run = thread.run
        thread.run = lambda: profile.runcall(run)
    begun, spent = time.perf_counter(), time.process_time()
    found.start()
    while found.forwarder.intake.kept < total:
        time.sleep(0.02)
    figures = total / (time.perf_counter() - begun), total / (time.process_time() - spent)
    found.close()
    process.kill()
    process.wait()
    landed = sum(file.read_bytes().count(b"\n") for file in folder.rglob("*.jsonl"))
    assert landed == total, f"{landed} of {total} messages landed"
    shutil.rmtree(folder)
    return figures


def throughput(total: int, folder: Path) -> None:
    figures: dict[str, list[tuple[float, float]]] = {"bare": [], "gateway": []}
    for number in range(ROUNDS):
        figures["bare"].append(bare(total))
        figures["gateway"].append(gateway(total, folder / str(number)))
    medians = {who: [statistics.median(column) for column in zip(*rows, strict=True)] for who, rows in figures.items()}
    for who, (wall, core) in medians.items():
        print(f"  {who:8} {wall:7.0f} messages/s, {core:7.0f} per second of processor time ({1e6 / core:.1f} µs each)")
    ratios = [ours / theirs for ours, theirs in zip(medians["gateway"], medians["bare"], strict=True)]
    print(f"  ratio    {ratios[0]:.2f}, by processor time {ratios[1]:.2f}")
    core = medians["gateway"][1]
    print(f"  aim: {AIM} messages/s on one core; {'met' if core >= AIM else 'MISSED'} by processor time")
    profile = cProfile.Profile()
    gateway(min(total, 50_000), folder / "profiled", profile)
    shares(profile)


def shares(profile: cProfile.Profile) -> None:
    """Where the link's thread spends its time, profiled; waiting for messages is left out."""
    kinds: collections.Counter[str] = collections.Counter()
    for (file, _, name), (_, _, own, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]  # typeshed lacks it
        if "poll" in name:
            continue
        kind = "Python's own functions"
        if "paho" in file or "socket" in name:
            kind = "paho and its socket"
        elif "fdatasync" in name or "fsync" in name or "'write'" in name:
            kind = "disk"
        elif "sparkiot_edge" in file or "orjson" in name:
            kind = "the gateway's own"
        kinds[kind] += own
    print("  of the link's thread:", ", ".join(f"{k} {v / kinds.total():.0%}" for k, v in kinds.most_common()))


def away(seconds: float, rate: float, folder: Path) -> None:
    total = int(seconds * rate)
    process, port = broker(total, rate)
    root = folder / "landing"
    root.write_text("a file where the folder should be")
    arguments = ["--broker", f"mqtt://127.0.0.1:{port}", "--group", "city=city/+/data", "--forward", "folder"]
    arguments += ["--landing-folder", str(root), "--spill-folder", str(folder / "spill"), "--spill-mebibytes", "4096"]
    found = Process("edge-gateway", *arguments, log=folder / "gateway.log")
    sampled = []
    while not list((folder / "spill").glob("*.jsonl")):
        time.sleep(0.1)
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        time.sleep(seconds / 20)
        sampled.append(psutil.Process(found.pid).memory_info().rss / (1 << 20))
    spilled = [file.read_bytes() for file in (folder / "spill").glob("*.jsonl")]
    size, messages = sum(map(len, spilled)) / (1 << 20), sum(data.count(b"\n") for data in spilled)
    print(f"  {messages} messages of {total} in {seconds:.0f} s, sink away; {size:.0f} MiB on disk")
    print("  resident MiB:", " ".join(f"{value:.0f}" for value in sampled))
    root.unlink()
    back = time.monotonic()
    expected = collections.Counter({f"m-{n:05d}": total // PACKETS + (n <= total % PACKETS) for n in range(1, 65536)})
    ids: collections.Counter[str] = collections.Counter()
    read: set[Path] = set()
    while ids.total() < total and time.monotonic() - back < PATIENCE_S:
        time.sleep(0.5)
        for file in set(root.rglob("*.jsonl")) - read:
            read.add(file)
            ids.update(orjson.loads(line)["id"] for line in file.read_bytes().splitlines())
    print(
        f"  the sink is back: {ids.total()} landed {time.monotonic() - back:.0f} s later in {len(read)} files,", end=""
    )
    print(f" {(expected - ids).total()} lost, {(ids - expected).total()} twice;", end="")
    print(f" resident {psutil.Process(found.pid).memory_info().rss / (1 << 20):.0f} MiB")
    process.kill()
    process.wait()
    found.end()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--away", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=2000.0)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--stand-in", type=int, default=0)
    options = parser.parse_args()
    if options.stand_in:
        stand_in(options.stand_in, options.rate)
        return
    with tempfile.TemporaryDirectory() as folder:
        print(f"throughput, {options.messages} messages of {PAYLOAD_BYTES} bytes; load average", *os.getloadavg())
        throughput(options.messages, Path(folder))
        print(f"outage of {options.away:g} s at {options.rate:g} messages/s; load average", *os.getloadavg())
        away(options.away, options.rate, Path(folder))
        print("  load average at the end", *os.getloadavg())


if __name__ == "__main__":
    main()
