"""Whatever comes over the wire, the embedded API server answers it, and never with a 5xx; its store stays sound."""

import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support_apiserver import GROUP, gauge, gauge_crd
from support_fuzz import damaged, examples, texts, values

from sparkiot_sim.devcluster import DevCluster
from sparkiot_sim.devcluster.errors import ApiError
from sparkiot_sim.devcluster.patches import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH

PATIENCE_S = 10
"""An answer takes milliseconds; one that hangs is found out after this."""
PROTOBUF = "application/vnd.kubernetes.protobuf"
GAUGES = f"/apis/{GROUP}/v1/namespaces/default/gauges"
MAPS = "/api/v1/namespaces/default/configmaps"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PATHS = (
    *("/", "/api", "/apis", "/api/v1", f"/apis/{GROUP}", f"/apis/{GROUP}/v1", "/version", "/openapi/v2", "/openapi/v3"),
    *("/api/v1/namespaces", "/api/v1/namespaces/default", "/api/v1/namespaces/default/status", MAPS, f"{MAPS}/a"),
    *(GAUGES, f"{GAUGES}/a", f"{GAUGES}/a/status", f"{GAUGES}/a/scale", f"{GAUGES}/a/log", f"/apis/{GROUP}/v1/gauges"),
    *("/api/v1/pods", "/api/v1/namespaces/default/pods/a", "/api/v1/namespaces/default/pods/a/log", "/api/v1/events"),
    *(CRDS, "/api/v1/namespaces//configmaps", "/api/v2/x", "/api"),
    *("/apis/rbac.authorization.k8s.io/v1/clusterroles", "/api/v1/namespaces/default/secrets/a", "/readyz", "/nothing"),
)
QUERIES = (
    *("watch", "timeoutSeconds", "resourceVersion", "labelSelector", "fieldSelector", "limit", "continue", "dryRun"),
    *("fieldManager", "fieldValidation", "force", "propagationPolicy", "gracePeriodSeconds", "sendInitialEvents"),
    *("allowWatchBookmarks", "includeObject", "resourceVersionMatch", "pretty", "follow", "tailLines", "container"),
)
MEDIA = (
    *("application/json", "application/yaml", "application/apply-patch+yaml", JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH),
    *(PROTOBUF, "text/plain", "", "application/json; charset=utf-16", "é", "/", ";"),
)
ACCEPT = ("*/*", "application/json;as=Table;v=v1;g=meta.k8s.io", "as=Table", PROTOBUF, "é", "")


class Wire:
    """One connection at a time to a running server; ``ask`` gives status and body of an answer."""

    def __init__(self, cluster: DevCluster) -> None:
        self.cluster = cluster
        self._tls = ssl.create_default_context(cadata=cluster.identity.certificate)
        self._port = int(cluster.url.rsplit(":", 1)[1])
        self._connection: http.client.HTTPSConnection | None = None

    def ask(
        self, method: str, target: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """A server that hangs raises TimeoutError. What the server refuses before it is a request is a 400."""
        connection = self._connection or http.client.HTTPSConnection(
            "127.0.0.1", self._port, timeout=PATIENCE_S, context=self._tls
        )
        self._connection = connection
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            connection.putheader("Authorization", f"Bearer {self.cluster.identity.token}")
            connection.putheader("Content-Length", str(len(body or b"")))
            for name, value in (headers or {}).items():
                connection.putheader(name, value.encode("utf-8", "surrogatepass"))
            connection.endheaders(body)
            answer = connection.getresponse()
            if answer.status == 101:
                self.close()
                return 101, b""
            content = answer.read()
        except (ConnectionError, ssl.SSLEOFError, http.client.BadStatusLine):
            self.close()
            return 400, b""
        if answer.will_close:
            self.close()
        return answer.status, content

    def close(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None

    def raw(self, content: bytes) -> bytes:
        """What comes back for bytes that need not be HTTP."""
        with (
            socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE_S) as plain,
            self._tls.wrap_socket(plain, server_hostname="127.0.0.1") as tls,
        ):
            with contextlib.suppress(OSError):  # the server need not read to the end
                tls.sendall(content)
                tls.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                return tls.recv(65536)
        return b""


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with DevCluster.in_thread(crds=[gauge_crd(with_rules=True)]) as cluster:
        found = Wire(cluster)
        assert found.ask("POST", GAUGES, json.dumps(gauge("a", replicas=1)).encode())[0] == 201
        assert found.ask("POST", MAPS, json.dumps({"metadata": {"name": "a"}, "data": {"k": "v"}}).encode())[0] == 201
        yield found
        found.close()


def sound(wire: Wire) -> None:
    """It answers, what it lists can be read, and both tell of the same objects."""
    for path in (GAUGES, MAPS):
        status, content = wire.ask("GET", path)
        assert status == 200
        for item in json.loads(content)["items"]:
            status, content = wire.ask("GET", f"{path}/{item['metadata']['name']}")
            assert status == 200
            assert json.loads(content)["metadata"]["uid"] == item["metadata"]["uid"]


def quoted(text: str) -> str:
    """Of a request's target: printable ASCII without blanks as it is, for the server to make sense of."""
    return "".join(
        char
        if "!" <= char <= "~" and char not in "#"
        else "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "replace"))
        for char in text
    )


segments = st.sampled_from(["a", "default", "api", "v1", "status", "scale", "gauges", "%2F", "%00", "."]) | texts
paths = st.sampled_from(PATHS) | st.builds(lambda path, more: f"{path}/{more}", st.sampled_from(PATHS), segments)
queries = st.lists(st.tuples(st.sampled_from(QUERIES), texts), max_size=3).map(
    lambda pairs: "&".join(f"{name}={quoted(text)[:6000]}" for name, text in pairs)
)
DEEP = b'{"metadata":{"name":"a"},"spec":{"unit":"ms","anything":' + b'{"a":' * 900 + b"1" + b"}" * 902
BOMB = b"a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (level, level, b",".join([b"*a%d" % (level - 1)] * 9)) for level in range(1, 9)
)
bodies = (
    st.binary(max_size=40)
    | values.map(lambda value: json.dumps(value).encode())
    | values.map(lambda value: yaml.safe_dump(value).encode("utf-8", "replace"))
    | damaged(gauge("a", replicas=1)).map(lambda value: json.dumps(value).encode())
    | damaged({"metadata": {"name": "a"}, "data": {"k": "v"}}).map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=40).map(lambda content: b"k8s\x00" + content)
    | st.sampled_from(
        [DEEP, BOMB, b"[" * 100_000, b"k8s\x00\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x04\x0a\x02\x0a\x00"]
    )
)


@examples(50)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "BREW"]),
    path=paths,
    query=queries,
    media=st.sampled_from(MEDIA),
    accept=st.sampled_from(ACCEPT),
    body=st.none() | bodies,
)
@example("GET", GAUGES, f"resourceVersion={'9' * 5000}", "", "", None)
@example("GET", GAUGES, f"watch=1&timeoutSeconds={'9' * 400}", "", "", None)
@example("DELETE", f"{MAPS}/b", f"gracePeriodSeconds={'9' * 5000}", "", "", None)
@example("POST", GAUGES, "", "application/json", "", DEEP)
@example("PATCH", f"{GAUGES}/a", "", MERGE_PATCH, "", DEEP)
@example("PATCH", f"{GAUGES}/a", "fieldManager=f", APPLY_PATCH, "", DEEP)
@example("POST", MAPS, "", "application/yaml", "", BOMB)
@example("POST", MAPS, "", "application/yaml", "", b"[" * 100_000)
@example("POST", MAPS, "", "application/yaml", "", b"&a [*a]")
def test_fuzz_any_request_is_answered(  # noqa: PLR0917 - examples are written by position
    wire: Wire, method: str, path: str, query: str, media: str, accept: str, body: bytes | None
) -> None:
    if "watch" in query and "timeoutSeconds" not in query:
        query += "&timeoutSeconds=1"
    if method == "DELETE" and path in (GAUGES, MAPS, CRDS):
        path += "/nothing"  # the objects that the other examples are about stay
    target = quoted(path) + (f"?{query}" if query else "")
    if "watch=" in query and method == "GET" and body is None:
        status, _ = opened(wire, target)
    else:
        status, _ = wire.ask(method, target, body, {"Content-Type": media, "Accept": accept})
    assert status < 500, (status, method, target)
    sound(wire)


def opened(wire: Wire, target: str) -> tuple[int, bytes]:
    """The beginning of an answer that may be a stream without an end."""
    head = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {wire.cluster.identity.token}\r\n\r\n"
    answer = wire.raw(head.encode())
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 400, answer


@examples(20)
@given(
    st.binary(max_size=60)
    | st.sampled_from(
        [
            b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
            b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
            b"GET //[ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
            b"GET http://[/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
            b"POST /api HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
            b"POST /api HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET /api HTTP/1.1\r\nHost: \xff\r\n\r\n",
        ]
    )
)
def test_fuzz_bytes_that_are_no_request_do_no_harm(wire: Wire, content: bytes) -> None:
    answer = wire.raw(content)
    assert not answer.startswith(b"HTTP/1.1 5"), answer[:200]
    sound(wire)


@pytest.mark.parametrize("key", [None, "", "é", "x" * 24])
def test_fuzz_a_websocket_that_does_not_shake_hands(wire: Wire, key: str | None) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    if key is not None:
        headers["Sec-WebSocket-Key"] = key
    status, _ = wire.ask("GET", f"{GAUGES}?watch=1&timeoutSeconds=1", None, headers)
    assert status < 500
    sound(wire)


class Objects(RuleBasedStateMachine):
    """Creates, patches, replaces and deletes gauges beside a model of them: names, generations, values."""

    wire: Wire

    @initialize()
    def begin(self) -> None:
        status, content = self.wire.ask("GET", GAUGES)
        assert status == 200
        for item in json.loads(content)["items"]:
            self.wire.ask("DELETE", f"{GAUGES}/{item['metadata']['name']}")
        self.known: dict[str, dict[str, Any]] = {}
        self.revision = 0

    names = st.sampled_from(["a", "b", "c"])
    replicas = st.integers(0, 5)

    def call(self, method: str, path: str, body: Any = None, media: str = "application/json") -> tuple[int, Any]:
        content = None if body is None else json.dumps(body).encode()
        status, answer = self.wire.ask(method, path, content, {"Content-Type": media})
        return status, json.loads(answer)

    def take(self, name: str, found: dict[str, Any], *, changed: bool, edited: bool) -> None:
        """A write's answer: the revision grows when something changed, the generation when the spec did."""
        before = self.known.get(name)
        revision = int(found["metadata"]["resourceVersion"])
        if before is not None:
            assert found["metadata"]["uid"] == before["metadata"]["uid"]
            assert found["metadata"]["generation"] == before["metadata"]["generation"] + edited
            if not changed:
                assert found == before
        assert revision > self.revision or not changed
        self.revision = max(self.revision, revision)
        self.known[name] = found

    @rule(name=names, replicas=replicas)
    def create(self, name: str, replicas: int) -> None:
        status, found = self.call("POST", GAUGES, gauge(name, replicas=replicas))
        assert status == (409 if name in self.known else 201)
        if status == 201:
            self.take(name, found, changed=True, edited=False)

    @rule(name=names, replicas=replicas, media=st.sampled_from([MERGE_PATCH, JSON_PATCH]))
    def patch(self, name: str, replicas: int, media: str) -> None:
        operation = [{"op": "add", "path": "/spec/replicas", "value": replicas}]
        patch = operation if media == JSON_PATCH else {"spec": {"replicas": replicas}}
        status, found = self.call("PATCH", f"{GAUGES}/{name}", patch, media)
        assert status == (200 if name in self.known else 404)
        if status == 200:
            edited = self.known[name]["spec"].get("replicas") != replicas
            self.take(name, found, changed=edited, edited=edited)

    @rule(name=names, phase=st.sampled_from(["x", "y"]))
    def status(self, name: str, phase: str) -> None:
        status, found = self.call("PATCH", f"{GAUGES}/{name}/status", {"status": {"phase": phase}}, MERGE_PATCH)
        assert status == (200 if name in self.known else 404)
        if status == 200:
            changed = self.known[name].get("status", {}).get("phase") != phase
            self.take(name, found, changed=changed, edited=False)

    @precondition(lambda self: self.known)
    @rule(data=st.data(), replicas=replicas)
    def replace_what_is_stale(self, data: st.DataObject, replicas: int) -> None:
        """A replacement with an old resource version is refused, and changes nothing."""
        name = data.draw(st.sampled_from(sorted(self.known)))
        stale = json.loads(json.dumps(self.known[name]))
        stale["metadata"]["resourceVersion"] = "1"
        stale["spec"]["replicas"] = replicas
        assert self.call("PUT", f"{GAUGES}/{name}", stale)[0] == 409

    @precondition(lambda self: self.known)
    @rule(data=st.data(), body=damaged(gauge("a", replicas=1)))
    def replace_by_anything(self, data: st.DataObject, body: Any) -> None:
        """Taken or refused; what is refused changes nothing, which the invariant sees."""
        name = data.draw(st.sampled_from(sorted(self.known)))
        status, found = self.call("PUT", f"{GAUGES}/{name}", body)
        assert status < 500
        if status == 200:
            edited = found["spec"] != self.known[name]["spec"]
            self.take(name, found, changed=found != self.known[name], edited=edited)

    @rule(name=names)
    def delete(self, name: str) -> None:
        status, _ = self.call("DELETE", f"{GAUGES}/{name}")
        assert status == (200 if name in self.known else 404)
        self.known.pop(name, None)

    @invariant()
    def what_is_listed_is_what_is_known(self) -> None:
        if hasattr(self, "known"):
            status, listed = self.call("GET", GAUGES)
            assert status == 200
            assert {item["metadata"]["name"]: item for item in listed["items"]} == {
                name: {**found, **{k: v for k, v in item.items() if k in ("apiVersion", "kind")}}
                for (name, found), item in zip(sorted(self.known.items()), listed["items"], strict=True)
            }
            assert int(listed["metadata"]["resourceVersion"]) >= self.revision


def test_fuzz_objects_beside_a_model_of_them(wire: Wire) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    machine = type("ObjectsOfThisServer", (Objects,), {"wire": wire})
    run_state_machine_as_test(machine, settings=examples(4))
    with contextlib.suppress(ApiError):
        wire.ask("POST", GAUGES, json.dumps(gauge("a", replicas=1)).encode())
