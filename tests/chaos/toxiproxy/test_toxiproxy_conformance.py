"""One suite for every Toxiproxy: HTTP and TCP alone, against the embedded server, and a real one where there is one.

Where the embedded server means to differ the test says so, and does not ask the real one.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from wires import Api, Upstream, connect, read, rest, silent

from harness.chaos.proxy_server import PROGRAM, embedded, installed, named

STREAMS = ["upstream", "downstream"]
URL = os.environ.get("TOXIPROXY_URL")
REAL = URL is not None or shutil.which(PROGRAM) is not None


@pytest.fixture(scope="module", params=["embedded", "real"] if REAL else ["embedded"])
def served(request: pytest.FixtureRequest) -> Iterator[Api]:
    """A server."""
    with ExitStack() as ending:
        if request.param == "embedded":
            yield Api(ending.enter_context(embedded(seed=1)).url)
        elif URL is not None:
            yield Api(named(URL).url)
        else:
            yield Api(ending.enter_context(installed()).url)


@pytest.fixture
def api(served: Api) -> Iterator[Api]:
    """The server with no proxies."""
    served.clear()
    yield served
    served.clear()


@pytest.fixture
def ours(api: Api, request: pytest.FixtureRequest) -> Api:
    """The embedded server alone."""
    if request.node.callspec.params["served"] != "embedded":
        pytest.skip("a fact of the embedded server")
    return api


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A server behind the proxy."""
    found = Upstream()
    yield found
    found.close()


def pair(api: Api, upstream: Upstream, stream: str, name: str = "p") -> tuple[socket.socket, socket.socket]:
    """Sender and receiver of a stream through a new proxy."""
    client, server = upstream.connected(api.proxy(name, upstream.address)["listen"])
    return (client, server) if stream == "upstream" else (server, client)


def test_a_real_one_is_asked_too() -> None:
    """Or the suite says that it was not."""
    if not REAL:
        pytest.skip(f"no real Toxiproxy: TOXIPROXY_URL is not set and {PROGRAM} is not on the PATH")


def test_a_proxy_as_json(api: Api) -> None:
    """All fields, nothing else; the port is the one it really has."""
    told = api.proxy("a", "127.0.0.1:9")
    port = told["listen"].removeprefix("127.0.0.1:")
    assert 0 < int(port) < 65_536
    shape = {"name": "a", "listen": f"127.0.0.1:{port}", "upstream": "127.0.0.1:9", "enabled": True, "toxics": []}
    assert told == shape
    assert api.call("GET", "/proxies/a") == (200, shape)
    assert api.call("GET", "/proxies") == (200, {"a": shape})
    assert api.call("DELETE", "/proxies/a") == (204, "")
    assert api.call("GET", "/proxies") == (200, {})
    assert list(api.call("GET", "/version")[1]) == ["version"]


def test_a_proxy_may_start_disabled(api: Api) -> None:
    """It has no port yet; that comes when it is enabled."""
    _, told = api.call(
        "POST", "/proxies", {"name": "a", "upstream": "127.0.0.1:9", "listen": "127.0.0.1:0", "enabled": False}
    )
    assert (told["enabled"], told["listen"]) == (False, "127.0.0.1:0")
    status, told = api.call("PATCH", "/proxies/a", {"enabled": True})
    assert (status, told["enabled"]) == (200, True)
    connect(told["listen"]).close()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("GET", "/proxies/none", None, 404, "proxy not found"),
        ("DELETE", "/proxies/none", None, 404, "proxy not found"),
        ("POST", "/proxies/none", b"wrong", 404, "proxy not found"),
        ("GET", "/proxies/none/toxics", None, 404, "proxy not found"),
        ("POST", "/proxies/none/toxics", {"type": "latency"}, 404, "proxy not found"),
        ("GET", "/proxies/none/toxics/x", None, 404, "proxy not found"),
        ("GET", "/proxies/p/toxics/none", None, 404, "toxic not found"),
        ("POST", "/proxies/p/toxics/none", {}, 404, "toxic not found"),
        ("DELETE", "/proxies/p/toxics/none", None, 404, "toxic not found"),
        (
            "POST",
            "/proxies",
            {"name": "p", "upstream": "127.0.0.1:9", "listen": "127.0.0.1:0"},
            409,
            "proxy already exists",
        ),
        ("POST", "/proxies/p/toxics", {"type": "latency", "name": "t"}, 409, "toxic already exists"),
        (
            "POST",
            "/proxies/p/toxics",
            {"type": "latency", "name": "t", "stream": "upstream"},
            409,
            "toxic already exists",
        ),
        ("POST", "/proxies", {"upstream": "127.0.0.1:9"}, 400, "missing required field: name"),
        ("POST", "/proxies", {"name": "q"}, 400, "missing required field: upstream"),
        ("POST", "/populate", [{"name": "q"}], 400, "missing required field: upstream at proxy 1"),
        ("POST", "/populate", [{"upstream": "127.0.0.1:9"}], 400, "missing required field: name at proxy 1"),
        ("POST", "/proxies/p/toxics", {"type": "earthquake"}, 400, "invalid toxic type"),
        ("POST", "/proxies/p/toxics", {}, 400, "invalid toxic type"),
        (
            *("POST", "/proxies/p/toxics", {"type": "latency", "stream": "sideways"}, 400),
            "stream was invalid, can be either upstream or downstream",
        ),
    ],
)
def test_refusals(api: Api, method: str, path: str, body: object, status: int, error: str) -> None:
    """Their statuses and their words."""
    api.proxy("p", "127.0.0.1:9")
    api.call("POST", "/proxies/p/toxics", {"type": "latency", "name": "t"})
    found, told = api.call(method, path, body)
    extra = {"proxies": None} if path == "/populate" else {}
    assert (found, told) == (status, {"error": error, "status": status} | extra)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/proxies", b""),
        ("/proxies", b"{"),
        ("/proxies", [1]),
        ("/proxies", {"name": 1, "upstream": "127.0.0.1:9"}),
        ("/proxies/p", {"enabled": "yes"}),
        ("/populate", {"name": "p"}),
        ("/populate", [1]),
        ("/proxies/p/toxics", b"no"),
        ("/proxies/p/toxics", {"type": "latency", "attributes": {"latency": "much"}}),
        ("/proxies/p/toxics", {"type": "latency", "attributes": {"latency": 1.5}}),
        ("/proxies/p/toxics", {"type": "latency", "attributes": [1]}),
        ("/proxies/p/toxics", {"type": "latency", "toxicity": "all"}),
        ("/proxies/p/toxics/t", {"attributes": {"latency": True}}),
    ],
)
def test_bodies_that_cannot_be_read(api: Api, path: str, body: object) -> None:
    """400, a sentence that begins alike, and nothing has changed."""
    api.proxy("p", "127.0.0.1:9")
    api.call("POST", "/proxies/p/toxics", {"type": "latency", "name": "t"})
    before = api.call("GET", "/proxies")
    status, told = api.call("POST", path, body)
    assert (status, told["status"]) == (400, 400)
    assert told["error"].startswith("bad request body: ")
    assert api.call("GET", "/proxies") == before


def test_browsers_and_unknown_pages(api: Api) -> None:
    """A page in a browser cannot drive it."""
    assert api.call("GET", "/proxies", agent="Mozilla/5.0 (X11)")[0] == 403
    assert api.call("POST", "/reset", agent="Mozilla/5.0 (X11)")[0] == 403
    assert api.call("GET", "/nowhere")[0] == 404
    assert api.call("PUT", "/proxies", {})[0] == 405


def test_a_toxic_as_json(api: Api) -> None:
    """Created with 200, named by type and stream, downstream, always; changed in part; told in order of the streams."""
    api.proxy("p", "127.0.0.1:9")
    shape = {
        "attributes": {"latency": 0, "jitter": 0},
        "name": "latency_downstream",
        "type": "latency",
        "stream": "downstream",
        "toxicity": 1,
    }
    assert api.call("POST", "/proxies/p/toxics", {"type": "latency"}) == (200, shape)
    path = "/proxies/p/toxics/latency_downstream"
    assert api.call("GET", path) == (200, shape)
    changed = shape | {"attributes": {"latency": 5, "jitter": 0}}
    assert api.call("PATCH", path, {"attributes": {"latency": 5}}) == (200, changed)
    changed = changed | {"toxicity": 0.5, "attributes": {"latency": 5, "jitter": 2}}
    assert api.call("POST", path, {"attributes": {"jitter": 2}, "toxicity": 0.5, "type": "slicer"}) == (200, changed)
    _, other = api.call(
        "POST", "/proxies/p/toxics", {"type": "slow_close", "stream": "upstream", "attributes": {"delay": 3}}
    )
    assert other["name"] == "slow_close_upstream"
    assert api.call("GET", "/proxies/p/toxics") == (200, [other, changed])
    assert api.call("GET", "/proxies/p")[1]["toxics"] == [other, changed]
    assert api.call("DELETE", path) == (204, "")
    assert api.call("GET", path)[0] == 404


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("latency", {"latency": 1, "jitter": 2}),
        ("bandwidth", {"rate": 1}),
        ("slow_close", {"delay": 1}),
        ("timeout", {"timeout": 1}),
        ("reset_peer", {"timeout": 1}),
        ("slicer", {"average_size": 2, "size_variation": 1, "delay": 3}),
        ("limit_data", {"bytes": 1}),
    ],
)
def test_attributes(api: Api, kind: str, attributes: dict[str, int]) -> None:
    """Each kind has its own, told back whole; others are left out."""
    api.proxy("p", "127.0.0.1:9")
    status, told = api.call("POST", "/proxies/p/toxics", {"type": kind, "attributes": attributes | {"colour": 1}})
    assert status == 200
    path = f"/proxies/p/toxics/{told['name']}"
    assert api.call("GET", path)[1]["attributes"] == attributes


def test_populate_twice(api: Api) -> None:
    """What is there stays, toxics and all; what differs is replaced; others are left alone."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    wanted: list[dict[str, Any]] = [
        {"name": "a", "listen": listen, "upstream": "127.0.0.1:9"},
        {"name": "b", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9", "enabled": False},
    ]
    status, told = api.call("POST", "/populate", wanted)
    assert status == 201
    assert [(one["name"], one["enabled"]) for one in told["proxies"]] == [("a", True), ("b", False)]
    api.toxic("a", "latency")
    api.proxy("c", "127.0.0.1:9")
    status, told = api.call("POST", "/populate", wanted)
    assert status == 201
    assert [len(one["toxics"]) for one in told["proxies"]] == [1, 0]
    wanted[0]["upstream"] = "127.0.0.1:7"
    assert api.call("POST", "/populate", wanted[:1])[1]["proxies"][0] == wanted[0] | {"enabled": True, "toxics": []}
    assert sorted(api.call("GET", "/proxies")[1]) == ["a", "b", "c"]


def test_reset(api: Api, upstream: Upstream) -> None:
    """All proxies on, all toxics gone, on connections that are there too."""
    receiver, sender = reversed(pair(api, upstream, "upstream", "p"))
    api.toxic("p", "latency", "upstream", latency=60_000)
    api.toxic("p", "bandwidth", rate=1)
    off = api.proxy("off", "127.0.0.1:9")["listen"]
    api.call("POST", "/proxies/off", {"enabled": False})
    sender.sendall(b"held")
    assert api.call("POST", "/reset") == (204, "")
    assert read(receiver, 4) == b"held"
    told = api.call("GET", "/proxies")[1]
    assert [(one["enabled"], one["toxics"]) for one in told.values()] == [(True, [])] * 2
    assert told["off"]["listen"] == off


@pytest.mark.parametrize("stream", STREAMS)
def test_bytes_pass_whole(api: Api, upstream: Upstream, stream: str) -> None:
    """Several megabytes against a reader that starts late: nothing lost, order kept, and the end comes last."""
    sender, receiver = pair(api, upstream, stream)
    data = random.Random(1).randbytes(8_000_000)

    def send() -> None:
        sender.sendall(data)
        sender.shutdown(socket.SHUT_WR)

    sending = threading.Thread(target=send)
    sending.start()
    assert rest(receiver) == data
    sending.join()


@pytest.mark.parametrize("stream", STREAMS)
def test_a_reader_that_does_not_read_is_felt(api: Api, upstream: Upstream, stream: str) -> None:
    """The sender is stopped after what the kernel and a few buffers hold: the proxy keeps no more."""
    sender, _ = pair(api, upstream, stream)
    sender.settimeout(0.5)
    taken = 0
    try:
        while taken < 100_000_000:
            taken += sender.send(bytes(1_000_000))
    except TimeoutError:
        pass  # it was stopped
    assert taken < 100_000_000


def test_a_half_closed_connection(ours: Api, upstream: Upstream) -> None:
    """The end of one direction is not the end of the other (a real Toxiproxy closes both)."""
    for stream in STREAMS:
        sender, receiver = pair(ours, upstream, stream, stream)
        sender.sendall(b"all")
        sender.shutdown(socket.SHUT_WR)
        assert rest(receiver) == b"all"
        receiver.sendall(b"answer")
        assert read(sender, 6) == b"answer"
        receiver.close()
        assert rest(sender) == b""


@pytest.mark.parametrize("stream", STREAMS)
def test_a_close_reaches_the_other_side(api: Api, upstream: Upstream, stream: str) -> None:
    """After what was sent."""
    sender, receiver = pair(api, upstream, stream)
    sender.sendall(b"bye")
    sender.close()
    assert rest(receiver) == b"bye"


def test_an_upstream_that_refuses(api: Api) -> None:
    """The client is let in, and its connection closed."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    with connect(api.proxy("p", nobody)["listen"]) as client:
        assert rest(client) == b""


def test_disabled(api: Api, upstream: Upstream) -> None:
    """Connections are cut, new ones refused, and the port is there again afterwards, though it was asked for as 0."""
    listen = api.proxy("p", upstream.address)["listen"]
    client, server = upstream.connected(listen)
    for _ in range(3):
        _, told = api.call("POST", "/proxies/p", {"enabled": False})
        assert (told["enabled"], told["listen"]) == (False, listen)
        assert rest(client) == b""
        assert rest(server) == b""
        with pytest.raises(ConnectionRefusedError):
            connect(listen)
        _, told = api.call("POST", "/proxies/p", {"enabled": True})
        assert (told["enabled"], told["listen"]) == (True, listen)
        client, server = upstream.connected(listen)
        client.sendall(b"again")
        assert read(server, 5) == b"again"


def test_a_disabled_proxy_keeps_its_port(ours: Api) -> None:
    """Nobody who asks for any port is given it meanwhile (a real one gives it up)."""
    host, _, port = ours.proxy("p", "127.0.0.1:9")["listen"].rpartition(":")
    ours.call("POST", "/proxies/p", {"enabled": False})
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((host, int(port)))
    ours.call("DELETE", "/proxies/p")
    with socket.socket() as other:
        other.bind((host, int(port)))


def test_another_upstream(api: Api, upstream: Upstream) -> None:
    """Connections to the old one end, new ones go to the new one, and the proxy stays where it was."""
    listen = api.proxy("p", "127.0.0.1:9")["listen"]
    _, told = api.call("PATCH", "/proxies/p", {"upstream": upstream.address})
    assert (told["listen"], told["upstream"], told["enabled"]) == (listen, upstream.address, True)
    client, server = upstream.connected(listen)
    api.call("PATCH", "/proxies/p", {"upstream": "127.0.0.1:9"})
    assert rest(client) == b""
    assert rest(server) == b""


def test_a_deleted_proxy(api: Api, upstream: Upstream) -> None:
    """Its connections end, and nobody listens."""
    listen = api.proxy("p", upstream.address)["listen"]
    client, _ = upstream.connected(listen)
    api.call("DELETE", "/proxies/p")
    assert rest(client) == b""
    with pytest.raises(ConnectionRefusedError):
        connect(listen)


@pytest.mark.parametrize("stream", STREAMS)
def test_latency(api: Api, upstream: Upstream, stream: str) -> None:
    """200 ms take at least 190 ms in that direction; ten messages at once do not take ten times as long."""
    sender, receiver = pair(api, upstream, stream)
    api.toxic("p", "latency", stream, latency=200, jitter=5)
    began = time.monotonic()
    for number in range(10):
        sender.sendall(b"%d" % number)
        time.sleep(0.001)  # so that they come as ten
    assert read(receiver, 1) == b"0"
    assert time.monotonic() - began >= 0.19
    assert read(receiver, 9) == b"123456789"
    assert time.monotonic() - began < 1.5
    began = time.monotonic()
    receiver.sendall(b"back")
    assert read(sender, 4) == b"back"


@pytest.mark.parametrize("stream", STREAMS)
def test_bandwidth(api: Api, upstream: Upstream, stream: str) -> None:
    """60,000 bytes at 200 KB/s take 0.3 s."""
    sender, receiver = pair(api, upstream, stream)
    api.toxic("p", "bandwidth", stream, rate=200)
    data = random.Random(2).randbytes(60_000)
    began = time.monotonic()
    sender.sendall(data)
    assert read(receiver, 60_000) == data
    assert time.monotonic() - began >= 0.27


@pytest.mark.parametrize("stream", STREAMS)
def test_slow_close(api: Api, upstream: Upstream, stream: str) -> None:
    """The bytes at once, the end 200 ms later."""
    sender, receiver = pair(api, upstream, stream)
    api.toxic("p", "slow_close", stream, delay=200)
    began = time.monotonic()
    sender.sendall(b"x")
    sender.close()
    assert rest(receiver) == b"x"
    assert time.monotonic() - began >= 0.19


@pytest.mark.parametrize("stream", STREAMS)
def test_a_timeout_of_0(api: Api, upstream: Upstream, stream: str) -> None:
    """Nothing arrives and nothing closes; removing it closes both sides, and what was sent is gone."""
    sender, receiver = pair(api, upstream, stream)
    path = api.toxic("p", "timeout", stream, timeout=0)
    sender.sendall(b"into the void")
    assert silent(receiver)
    assert silent(sender)
    receiver.sendall(b"still there")
    assert read(sender, 11) == b"still there"
    api.call("DELETE", path)
    assert rest(receiver) == b""
    assert rest(sender) == b""


@pytest.mark.parametrize("stream", STREAMS)
def test_a_timeout(api: Api, upstream: Upstream, stream: str) -> None:
    """Nothing arrives, and after the time both sides are closed."""
    sender, receiver = pair(api, upstream, stream)
    began = time.monotonic()
    api.toxic("p", "timeout", stream, timeout=200)
    assert rest(receiver) == b""
    assert time.monotonic() - began >= 0.19
    assert rest(sender) == b""


@pytest.mark.parametrize("stream", STREAMS)
def test_reset_peer(api: Api, upstream: Upstream, stream: str) -> None:
    """RST to both sides, that long after the first byte, which does not arrive."""
    listen = api.proxy("p", upstream.address)["listen"]
    api.toxic("p", "reset_peer", stream, timeout=200)
    client, server = upstream.connected(listen)
    sender, receiver = (client, server) if stream == "upstream" else (server, client)
    began = time.monotonic()
    sender.sendall(b"x")
    with pytest.raises(ConnectionResetError):
        rest(receiver)
    assert time.monotonic() - began >= 0.19
    with pytest.raises(ConnectionResetError):
        rest(sender)


def test_reset_peer_on_a_connection_that_is_there(ours: Api, upstream: Upstream) -> None:
    """RST too (a real Toxiproxy says FIN to those)."""
    sender, receiver = pair(ours, upstream, "upstream")
    ours.toxic("p", "reset_peer", "upstream")
    sender.sendall(b"x")
    for end in (receiver, sender):
        with pytest.raises(ConnectionResetError):
            rest(end)


@pytest.mark.parametrize("stream", STREAMS)
def test_slicer(api: Api, upstream: Upstream, stream: str) -> None:
    """100 bytes in pieces of 12 at most, 10 ms apart: 8 pauses at least, and all bytes."""
    sender, receiver = pair(api, upstream, stream)
    api.toxic("p", "slicer", stream, average_size=10, size_variation=2, delay=10_000)
    data = bytes(range(100))
    began = time.monotonic()
    sender.sendall(data)
    assert read(receiver, 100) == data
    assert time.monotonic() - began >= 0.07


@pytest.mark.parametrize("stream", STREAMS)
def test_limit_data(api: Api, upstream: Upstream, stream: str) -> None:
    """So many bytes, and the end; the next connection has as many."""
    listen = api.proxy("p", upstream.address)["listen"]
    api.toxic("p", "limit_data", stream, bytes=100)
    for _ in range(2):
        client, server = upstream.connected(listen)
        sender, receiver = (client, server) if stream == "upstream" else (server, client)
        sender.sendall(bytes(60))
        assert read(receiver, 60) == bytes(60)
        sender.sendall(bytes(60))
        assert rest(receiver) == bytes(40)


def test_toxicity(api: Api, upstream: Upstream) -> None:
    """0 never acts, 1 always; the other connections feel nothing."""
    listen = api.proxy("p", upstream.address)["listen"]
    path = api.toxic("p", "limit_data", "upstream", 0.0, bytes=1)
    for toxicity, arrives in ((0.0, b"12"), (1.0, b"1")):
        api.call("POST", path, {"toxicity": toxicity})
        for _ in range(10):
            client, server = upstream.connected(listen)
            client.sendall(b"12")
            assert read(server, len(arrives)) == arrives
            if toxicity:
                assert rest(server) == b""


@pytest.mark.parametrize("stream", STREAMS)
def test_toxics_come_and_go_on_a_connection(api: Api, upstream: Upstream, stream: str) -> None:
    """Added, changed and removed in mid-flow; what waits is not lost."""
    sender, receiver = pair(api, upstream, stream)
    sender.sendall(b"1")
    assert read(receiver, 1) == b"1"
    path = api.toxic("p", "latency", stream, latency=60_000)
    sender.sendall(b"2")
    assert silent(receiver)
    api.call("POST", path, {"attributes": {"latency": 1}})
    sender.sendall(b"3")
    assert read(receiver, 2) == b"23"
    api.call("POST", path, {"attributes": {"latency": 60_000}})
    sender.sendall(b"4")
    assert silent(receiver)
    assert api.call("DELETE", path)[0] == 204
    sender.sendall(b"5")
    assert read(receiver, 2) == b"45"


def test_several_at_once(api: Api, upstream: Upstream) -> None:
    """A chain: latencies add up, and nothing is lost on the way."""
    sender, receiver = pair(api, upstream, "downstream")
    for number in range(3):
        body = {"type": "latency", "name": f"t{number}", "attributes": {"latency": 70}}
        assert api.call("POST", "/proxies/p/toxics", body)[0] == 200
    api.toxic("p", "slicer", average_size=10, size_variation=3, delay=10)
    began = time.monotonic()
    sender.sendall(bytes(range(200)))
    assert read(receiver, 200) == bytes(range(200))
    assert time.monotonic() - began >= 0.2


def test_metrics(ours: Api, upstream: Upstream) -> None:
    """Bytes by direction, and what each toxic changed, also after it is gone (real ones count bytes if told to)."""
    sender, receiver = pair(ours, upstream, "upstream")
    path = ours.toxic("p", "latency", "upstream", latency=1)
    sender.sendall(b"12345")
    assert read(receiver, 5) == b"12345"
    ours.call("DELETE", path)
    lines = ours.call("GET", "/metrics")[1].splitlines()
    listen = ours.call("GET", "/proxies/p")[1]["listen"]
    labels = f'{{direction="upstream",listener="{listen}",proxy="p",upstream="{upstream.address}"}}'
    assert f"toxiproxy_proxy_received_bytes_total{labels} 5.0" in lines
    assert f"toxiproxy_proxy_sent_bytes_total{labels} 5.0" in lines
    assert 'cachegate_toxic_acted_total{proxy="p",toxic="latency_upstream"} 1.0' in lines


@pytest.mark.parametrize("listen", ["0.0.0.0:0", ":0", "192.0.2.1:80", "[::]:0", "example.org:80"])
def test_other_machines_are_kept_out(ours: Api, listen: str) -> None:
    """Only the loopback may be listened on, however it is asked for (a real one listens anywhere)."""
    ours.proxy("p", "127.0.0.1:9")
    for path, body in (
        ("/proxies/p", {"listen": listen}),
        ("/proxies", {"name": "q", "upstream": "a:1", "listen": listen}),
    ):
        status, told = ours.call("POST", path, body)
        assert status == 400
        assert "is no loopback address: start the server with --anywhere" in told["error"]
    assert ours.call("GET", "/proxies/p")[1]["enabled"]


def test_a_port_that_is_taken(api: Api, upstream: Upstream) -> None:
    """500, with what the system said; no proxy is left."""
    status, told = api.call("POST", "/proxies", {"name": "q", "upstream": "127.0.0.1:9", "listen": upstream.address})
    assert (status, told["status"]) == (500, 500)
    assert "bind: " in told["error"]
    assert api.call("GET", "/proxies") == (200, {})
