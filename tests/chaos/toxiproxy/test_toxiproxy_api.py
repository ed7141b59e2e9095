"""The conformance suite, HTTP: what every Toxiproxy answers, in which shape, with which status."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from wires import Api, Upstream, connect, pair, read

pytest_plugins = ["toxiproxies"]


@pytest.mark.usefixtures("real_server")
def test_a_real_one_is_asked_too() -> None:
    """Or the suite says that it was not."""


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
