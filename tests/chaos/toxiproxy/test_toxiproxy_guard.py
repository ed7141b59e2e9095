"""Who may speak to the API of the proxy server: whoever changes a proxy answers in the place of what is behind it."""

from __future__ import annotations

import pytest
from wires import Api

from harness.chaos.toxiproxy.guard import Access

pytest_plugins = ["toxiproxies"]

EVERYWHERE = "0.0.0.0"  # noqa: S104  # nothing is bound to it
PATHS = [
    ("GET", "/version"), ("GET", "/metrics"), ("GET", "/proxies"), ("POST", "/proxies"), ("POST", "/populate"),
    ("POST", "/reset"), ("GET", "/proxies/a"), ("POST", "/proxies/a"), ("DELETE", "/proxies/a"),
    ("GET", "/proxies/a/toxics"), ("POST", "/proxies/a/toxics"), ("DELETE", "/proxies/a/toxics/b"), ("GET", "/nowhere"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize("said", [None, "", "Bearer", "Bearer wrong", "Basic x", "bearer"])
def test_without_the_secret_no_path_answers(ours: Api, method: str, path: str, said: str | None) -> None:
    """Whatever is sent in its place."""
    stranger = Api(ours.url)
    more = {} if said is None else {"Authorization": said}
    status, told = stranger.call(method, path, **more)
    assert status == 401
    assert told["error"].startswith("the secret is missing or wrong")


def test_a_proxy_is_not_pointed_elsewhere(ours: Api) -> None:
    """By another user of the machine, who reaches the port as we do."""
    made = ours.proxy("tier", "127.0.0.1:9")
    assert Api(ours.url).call("POST", "/proxies/tier", {"upstream": "127.0.0.1:10"})[0] == 401
    assert ours.call("GET", "/proxies/tier")[1] == made


@pytest.mark.parametrize(
    "name", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "localhost.evil", "["]
)
def test_a_name_that_is_not_the_servers_is_refused(ours: Api, name: str) -> None:
    """A page in a browser asks by its own, which it may point here."""
    assert ours.call("GET", "/version", Host=name)[0] in (400, 403)


@pytest.mark.parametrize("name", ["localhost", "localhost:1", "LOCALHOST", "127.0.0.1", "127.0.0.9:80", "[::1]:80"])
def test_the_loopback_has_many_names(ours: Api, name: str) -> None:
    """A tunnel to it has another port."""
    assert ours.call("GET", "/version", Host=name)[0] == 200


@pytest.mark.parametrize(
    ("host", "header", "known"),
    [
        ("127.0.0.1", b"10.0.0.7:8474", False),
        ("10.0.0.7", b"10.0.0.7:8474", True),
        ("10.0.0.7", b"10.0.0.8:8474", False),
        ("proxies.lan", b"Proxies.LAN:8474", True),
        ("proxies.lan", b"evil.example", False),
        (EVERYWHERE, b"10.0.0.7:8474", True),
        ("::", b"[fe80::7]:8474", True),
        ("", b"10.0.0.7", True),
        ("", b"", False),
        (EVERYWHERE, b"evil.example", False),
        ("127.0.0.1", b"\xff", False),
    ],
)
def test_names_follow_the_address_that_is_listened_on(host: str, header: bytes, known: bool) -> None:
    """All addresses where all are listened on; of names that one alone, and the loopback's."""
    assert Access(host).knows_name(header) is known


def test_a_server_without_a_secret_asks_for_none() -> None:
    """Any client of Toxiproxy may speak to one that was started by hand."""
    assert Access().knows_secret(b"")
    assert Access().knows_secret(b"Bearer whatever")
    guarded = Access("127.0.0.1", "it")
    assert guarded.knows_secret(b"Bearer it")
    assert not guarded.knows_secret(b"")
