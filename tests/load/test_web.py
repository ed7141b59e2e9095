"""Who may use locust's web UI, and what a form may set. Each refusal has a twin that is let through."""

from __future__ import annotations

import json

import pytest

from harness.load.web import FORM, Guard

HERE = "127.0.0.1:8089"


def refused(
    guard: Guard, method: str = "GET", path: str = "/", form: tuple[str, ...] = (), body: bytes = b"", **headers: str
) -> str | None:
    """Why, as `Guard.refusal` says it; of a request to this machine unless it names another."""
    why = guard.refusal(method, path, {"Host": HERE} | headers, form, body)
    assert why is None or len(why.splitlines()) == 1
    return why


def guard(web_host: str = "127.0.0.1", display_name: str | None = None) -> Guard:
    """Of a UI that listens there."""
    return Guard(web_host, display_name, lambda: {"rate", "workload"})


@pytest.mark.parametrize("host", [HERE, "localhost:8089", "LOCALHOST", "[::1]:8089", "127.1.2.3:8089"])
def test_this_machine_is_here(host: str) -> None:
    """By any of its own addresses and names."""
    assert refused(guard(), Host=host) is None


@pytest.mark.parametrize("host", ["evil.example:8089", "localhost.evil.example", "10.0.0.4:8089", "", "[", "a@b:1"])
def test_another_host_is_refused(host: str) -> None:
    """A name can be made to lead here, whatever the method."""
    assert refused(guard(), Host=host)
    assert refused(guard(), "POST", "/stop", Host=host)


def test_a_host_that_was_told_is_here() -> None:
    """And none beside it; where all addresses were told, any address, but no name that is not this machine's."""
    assert refused(guard("cache.example"), Host="cache.example:8089") is None
    assert refused(guard("10.0.0.4"), Host="10.0.0.4:8089") is None
    assert refused(guard("10.0.0.4"), Host="10.0.0.5:8089")
    for everywhere in ("", "*", "0.0.0.0", "::"):  # noqa: S104  # nothing listens
        assert refused(guard(everywhere), Host="10.0.0.4:8089") is None
        assert refused(guard(everywhere), Host="evil.example:8089")
        assert refused(guard(everywhere, "https://load.example/ui"), Host="load.example") is None


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("origin", ["http://evil.example", "http://127.0.0.1:3000", "null", "http://["])
def test_a_page_of_another_site_is_refused(method: str, origin: str) -> None:
    """It neither starts a test nor reads what one found."""
    assert refused(guard(), method, "/stats/requests", Origin=origin)


def test_a_link_is_followed_and_a_form_is_not() -> None:
    """Browsers that send no origin send where a form came from."""
    assert refused(guard(), "GET", Referer="http://evil.example/") is None
    assert refused(guard(), "POST", "/stop", Referer="http://evil.example/")
    assert refused(guard(), "POST", "/stop", Origin=f"http://{HERE}") is None
    assert refused(guard(), "POST", "/stop", Referer=f"http://{HERE}/") is None
    assert refused(guard(), "POST", "/stop") is None


@pytest.mark.parametrize("name", ["cachegate_result", "html_file", "json_file", "csv_prefix", "loglevel", "web_host"])
def test_a_form_sets_no_option_that_it_does_not_show(name: str) -> None:
    """Locust would, and writes what two of them name."""
    for path in ("/swarm", "/base/swarm"):
        assert name in str(refused(guard(), "POST", path, ("user_count", name)))


def test_a_form_starts_a_test() -> None:
    """With all that it has."""
    assert refused(guard(), "POST", "/swarm", (*FORM, "rate", "workload")) is None


def test_classes_of_users_keep_their_attributes() -> None:
    """What locust's page changes can be changed, nothing else."""
    known = {"user_class_name": "StressUser", "host": "resp://a:1", "weight": 1, "fixed_count": 0, "tasks": []}
    assert refused(guard(), "POST", "/user", body=json.dumps(known).encode()) is None
    assert "requests" in str(refused(guard(), "POST", "/user", body=json.dumps(known | {"requests": 1}).encode()))
    assert refused(guard(), "POST", "/user", body=b"no json") is None  # locust says so
