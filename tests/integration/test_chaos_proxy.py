"""The chaos suite's bad weather, on an embedded API server: what it does to requests and watches, and when it ends."""

import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import urllib3
from chaos.client import Client, RefusedError
from chaos.proxy import ApiProxy

from sparkiot_sim.devcluster import DevCluster

PATIENCE_S = 60.0


@dataclass
class Weathered:
    proxy: ApiProxy
    client: Client
    direct: Client


@pytest.fixture
def weathered(tmp_path: Path) -> Iterator[Weathered]:
    straight = tmp_path / "kubeconfig"
    with DevCluster.in_thread(kubeconfig=straight):
        proxy = ApiProxy(straight, seed=1)
        proxy.start()
        try:
            through = proxy.kubeconfig(straight, tmp_path / "through")
            clients = [Client(c, "default", timeout_s=30, patience_s=0) for c in (through, straight)]
            yield Weathered(proxy, *clients)
        finally:
            proxy.close()


def config_map(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


def test_storms_strike_what_they_can_and_nothing_of_it_reaches_the_server(weathered: Weathered) -> None:
    client, proxy = weathered.client, weathered.proxy
    path = client.core_path("configmaps")
    client.create(path, config_map("calm"))
    proxy.weather.storms[409] = 1.0
    with pytest.raises(RefusedError, match="409"):
        client.create(path, config_map("refused"))
    assert [item["metadata"]["name"] for item in client.items(path)] == ["calm"]
    proxy.weather.storms[429] = 1.0
    with pytest.raises(RefusedError, match="429"):
        client.items(path)
    proxy.weather.storms.clear()
    client.create(path, config_map("after"))
    assert (proxy.met["409"], proxy.met["429"]) == (1, 1)


class Watch:
    """A watch of config maps through the proxy, read piece by piece."""

    def __init__(self, weathered: Weathered, path: str) -> None:
        client = weathered.client
        self._answer = client._http.request(
            "GET", f"{client._server}{path}?watch=true", headers=client._headers, preload_content=False, timeout=3.0
        )

    def told(self) -> bytes | None:
        """The next piece; empty at an orderly end, None where nothing comes or the connection is cut."""
        try:
            return bytes(self._answer.read1())
        except (urllib3.exceptions.HTTPError, ssl.SSLError, OSError):
            return None


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_watches_are_cut_and_fall_dumb_and_new_ones_tell_again(weathered: Weathered) -> None:
    proxy, direct = weathered.proxy, weathered.direct
    path = direct.core_path("configmaps")
    watch = Watch(weathered, path)
    direct.create(path, config_map("first"))
    assert b"first" in (watch.told() or b"")
    proxy.weather.silent = True
    direct.create(path, config_map("second"))
    until(lambda: proxy.met["dumb"] == 1)
    proxy.weather.silent = False
    direct.create(path, config_map("third"))
    assert watch.told() is None, "it stays dumb"
    fresh = Watch(weathered, path)
    assert b"first" in (fresh.told() or b"")
    proxy.weather.cut_every_s = 0.1
    until(lambda: proxy.met["cut"] > 0)
    proxy.weather.cut_every_s = None
